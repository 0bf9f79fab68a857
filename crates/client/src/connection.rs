//! A vended connection: the token and what is needed to use it.

use std::{collections::BTreeMap, fmt, time::SystemTime};

use tokend_api::v1::{Account, VendedConnection, Warning};

/// An access token. It prints nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(String);

impl AccessToken {
    /// The token itself: for the request to the provider, and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// A connection with a token that works now.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The token.
    pub access_token: AccessToken,
    /// Values the API's URL is made of (subdomain, instance URL ...), by their names in the catalogue.
    pub connection_config: BTreeMap<String, String>,
    /// How the token is presented; `Bearer` unless the provider said otherwise.
    pub token_type: String,
    /// When the token stops working. Absent: it does not expire, or the provider does not say.
    pub expire_time: Option<SystemTime>,
    /// The scopes the token has.
    pub scopes: Vec<String>,
    /// Scopes the connector asks for that were not granted.
    pub missing_scopes: Vec<String>,
    /// The connection's id.
    pub connection_id: String,
    /// Which renewal this is; what to complain about after a 401.
    pub generation: u32,
    /// Whose account it is, if the provider tells.
    pub account: Option<Account>,
    /// What to know though the token works.
    pub warnings: Vec<Warning>,
}

impl From<VendedConnection> for Connection {
    fn from(vended: VendedConnection) -> Self {
        Self {
            access_token: AccessToken(vended.access_token),
            connection_config: vended.connection_config.into_iter().collect(),
            token_type: vended.token_type,
            expire_time: vended.expire_time.and_then(|time| time.try_into().ok()),
            scopes: vended.scopes,
            missing_scopes: vended.missing_scopes,
            connection_id: vended.connection_id,
            generation: vended.generation,
            account: vended.account,
            warnings: vended.warnings,
        }
    }
}
