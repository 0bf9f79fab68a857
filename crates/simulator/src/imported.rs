//! Grants that are made without a browser, for rigs that start with thousands of connections.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    Simulator,
    behaviour::Account,
    event::{FamilyId, Happening},
    fingerprint::Fingerprint,
    grants::Consented,
};

/// The tokens of a grant that was made without a browser.
#[derive(Clone)]
pub struct IssuedTokens {
    /// The grant.
    pub family: FamilyId,
    /// The access token.
    pub access_token: String,
    /// The refresh token, if the client is given any.
    pub refresh_token: Option<String>,
    /// How long the access token is good for, from now; `None` when it does not expire.
    pub lifetime: Option<Duration>,
    /// The granted scopes.
    pub scopes: Vec<String>,
}

impl Simulator {
    /// Makes a grant of an account (`sub`) to a client at once, as its consent and the code's redemption would have.
    /// The tokens count as delivered.
    pub fn grant(&self, client_id: &str, account: &str, scopes: &[&str]) -> IssuedTokens {
        let behaviour = self.provider().conduct.towards(Some(client_id));
        let scopes: Vec<_> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let consented = Arc::new(Consented {
            client_id: client_id.to_owned(),
            redirect_uri: String::new(),
            code_challenge: None,
            nonce: None,
            scopes,
            account: Account {
                sub: account.to_owned(),
                email: format!("{account}@example.com"),
                name: account.to_owned(),
            },
        });
        self.provider().record(|records| {
            let issued = records.grant(&consented, &behaviour);
            let family = issued.family;
            records.books.note(Happening::Granted {
                client_id: client_id.to_owned(),
                family,
            });
            let refresh_token = issued.refresh_token.as_deref().map(Fingerprint::of);
            records.delivered(family, issued.generation, refresh_token);
            IssuedTokens {
                family,
                access_token: issued.access_token,
                refresh_token: issued.refresh_token,
                lifetime: issued.lifetime,
                scopes: issued.scopes.to_vec(),
            }
        })
    }
}

impl fmt::Debug for IssuedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedTokens")
            .field("family", &self.family)
            .field("lifetime", &self.lifetime)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
