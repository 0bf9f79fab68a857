//! What a token endpoint answered, read into our words.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{ConnectionConfig, Expiry, Secret, Timestamp};

/// A token endpoint's success (RFC 6749 section 5.1), read tolerantly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAnswer {
    /// The access token; never empty.
    pub access_token: Secret,
    /// How to send it; `Bearer` where the provider did not say.
    pub token_type: String,
    /// A refresh token, where one came: it replaces the old one. Where none came the old one stays.
    pub refresh_token: Option<Secret>,
    /// When the access token runs out, counted from the answer's arrival.
    pub expiry: Expiry,
    /// When the refresh token runs out, where the provider said so.
    pub refresh_expire_time: Option<Timestamp>,
    /// The granted scopes, where the provider said so; absent means as asked for (RFC 6749 section 5.1).
    pub scopes: Option<Vec<String>>,
    /// Values of the answer that belong in the connection config.
    pub captured: ConnectionConfig,
    /// When the answer arrived.
    pub receive_time: Timestamp,
    /// The tokens that came with it, by name; each is renewed by itself.
    pub others: BTreeMap<String, TokenAnswer>,
}

/// A token call that brought no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the token endpoint did not give a token: {kind:?} ({detail})")]
pub struct TokenFailure {
    /// What it means for the connection.
    pub kind: TokenFailureKind,
    /// Our own words for the log: a status or an OAuth error code, never the provider's body.
    pub detail: String,
    /// How long the provider asked us to wait.
    pub retry_after: Option<Duration>,
}

/// What a failed token call means (the outcome decides whether the refresh token may be used again).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFailureKind {
    /// The request never left: name lookup, connection or TLS failed. Nothing was spent.
    NotSent,
    /// The provider refused for now: 429, or 503 with Retry-After. Nothing was spent.
    RateLimited,
    /// The grant, code or refresh token is said to be dead: `invalid_grant` or the provider's own word for it.
    GrantRejected,
    /// Our client registration is refused: `invalid_client`, `unauthorized_client`, or the like.
    ClientRejected,
    /// The request was refused for what it asked: `invalid_scope`, `invalid_request`, a redirect.
    RequestRejected,
    /// It may or may not have been carried out: a 5xx, a timeout or reset after sending, a cut answer.
    Ambiguous,
    /// An answer that is none: no access token, HTML, broken JSON. What became of the grant is unknown.
    Garbage,
}
