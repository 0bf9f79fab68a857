//! Connections: authorised accounts under a connector.

use std::collections::BTreeMap;

use crate::{
    AppUserId, ConnectionConfig, ConnectionId, ConnectorId, ConnectorKind, Expiry, Generation,
    IntegrationTypeName, Label, Timestamp, WorkspaceName,
};

/// An authorised account, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The workspace it lives in.
    pub workspace: WorkspaceName,
    /// Unique everywhere; survives reconnecting.
    pub id: ConnectionId,
    /// The connector it was made under.
    pub connector_id: ConnectorId,
    /// That connector's integration type.
    pub integration_type: IntegrationTypeName,
    /// Whose it is.
    pub owner: Owner,
    /// Tells it from its owner's others under the same connector.
    pub label: Label,
    /// Which of the tokens that its provider issues at once it holds; empty for the main one. Such siblings share
    /// connector, owner and label.
    pub token: String,
    /// Free words to find it by; never secret.
    pub tags: BTreeMap<String, String>,
    /// Whether it can be used.
    pub status: ConnectionStatus,
    /// Why the status is what it is: an error reason; empty where there is nothing to say.
    pub status_reason: String,
    /// The account at the provider, as far as it told.
    pub account: Account,
    /// Values asked for before connecting or learnt from the provider.
    pub connection_config: ConnectionConfig,
    /// The scopes granted.
    pub scopes: Vec<String>,
    /// The generation of its present credential.
    pub generation: Generation,
    /// When the present access token runs out.
    pub expiry: Expiry,
    /// How renewing has gone of late.
    pub refresh_health: RefreshHealth,
    /// When it will be renewed although nobody asks.
    pub renewal_time: Option<Timestamp>,
    /// When it was first made.
    pub create_time: Timestamp,
    /// When somebody last consented.
    pub authorize_time: Timestamp,
    /// When its credential was last replaced.
    pub refresh_time: Timestamp,
    /// When a token was last handed out, to within the flush interval of the use counts.
    pub last_use_time: Option<Timestamp>,
    /// How often a token was handed out.
    pub use_count: i64,
}

/// Whose account a connection is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The organisation's.
    Shared,
    /// One app user's.
    AppUser(AppUserId),
}

/// Whether a connection can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionStatus {
    /// Works.
    Authorized,
    /// The token ran out and renewing it keeps failing for now; still tried.
    Expired,
    /// Ended by us, the user or the provider.
    Revoked,
    /// Needs a person.
    Error,
}

/// The account at the provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The provider's id for it.
    pub id: Option<String>,
    /// Its e-mail address.
    pub email: Option<String>,
    /// Its display name.
    pub name: Option<String>,
}

/// How renewing a connection has gone since the last success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefreshHealth {
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// The error reason of the last one.
    pub last_failure: Option<String>,
    /// When that was.
    pub last_failure_time: Option<Timestamp>,
    /// No attempt before this time.
    pub retry_time: Option<Timestamp>,
    /// Since when the provider says that the grant is dead; confirmed by a second refusal later.
    pub accused_time: Option<Timestamp>,
    /// When the first attempt on the present refresh token began whose outcome nobody knows: it may have been redeemed
    /// already, and its successor lost.
    pub uncertain_since: Option<Timestamp>,
}

/// Narrows a listing; what is absent does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionFilter {
    /// Under this connector.
    pub connector_id: Option<ConnectorId>,
    /// Of this integration type.
    pub integration_type: Option<IntegrationTypeName>,
    /// Shared ones, or app users'.
    pub kind: Option<ConnectorKind>,
    /// Of this owner.
    pub owner: Option<Owner>,
    /// With this label.
    pub label: Option<Label>,
    /// In one of these statuses; none match an empty list.
    pub statuses: Option<Vec<ConnectionStatus>>,
    /// Of one of these integration types; none match an empty list.
    pub integration_types: Option<Vec<IntegrationTypeName>>,
    /// With all of these tags.
    pub tags: BTreeMap<String, String>,
}

/// Uses of one connection gathered in memory since the last flush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionUse {
    /// The workspace it lives in.
    pub workspace: WorkspaceName,
    /// Which one.
    pub connection_id: ConnectionId,
    /// How often a token was handed out.
    pub count: i64,
    /// When the last one was.
    pub last_use_time: Timestamp,
}

/// What the `token` of a grant that is being verified begins with: no integration type has such a name.
const STAGED: &str = "(import)";

impl Connection {
    /// The `token` of a grant that has yet to prove good, beside the connection it is meant for.
    pub fn staged_token(id: &ConnectionId) -> String {
        format!("{STAGED}{id}")
    }

    /// Whether a `token` is that of such a grant.
    pub fn is_staged(token: &str) -> bool {
        token.starts_with(STAGED)
    }

    /// The provider's name for the token it holds; empty for the main one.
    pub fn token_kind(&self) -> &str {
        match Self::is_staged(&self.token) {
            true => "",
            false => &self.token,
        }
    }
}

impl ConnectionStatus {
    /// The name the contract and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorized => "AUTHORIZED",
            Self::Expired => "EXPIRED",
            Self::Revoked => "REVOKED",
            Self::Error => "ERROR",
        }
    }

    /// Reads a name written by [`Self::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Authorized, Self::Expired, Self::Revoked, Self::Error]
            .into_iter()
            .find(|status| status.as_str() == name)
    }
}
