//! Authorizations: one attempt to connect, from the first click to the redeemed code.

use crate::{
    AuthorizationId, ConnectionConfig, ConnectionId, ConnectorId, Label, Owner, Secret, Timestamp,
    WorkspaceName,
};

/// One attempt to connect. Its one-time values are kept as hashes, what must be read back is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The workspace it lives in.
    pub workspace: WorkspaceName,
    /// Which attempt.
    pub id: AuthorizationId,
    /// The connector to connect under.
    pub connector_id: ConnectorId,
    /// Who will own the connection, and must finish the attempt.
    pub owner: Owner,
    /// The label the connection will have.
    pub label: Label,
    /// The scopes asked for.
    pub scopes: Vec<String>,
    /// The connection config given at the start.
    pub connection_config: ConnectionConfig,
    /// Where the browser goes afterwards; absent for a page of our own.
    pub return_url: Option<String>,
    /// How far it has come.
    pub state: AuthorizationState,
    /// Why it ended without a connection: an error reason; empty otherwise.
    pub failure_reason: String,
    /// What it led to.
    pub connection_id: Option<ConnectionId>,
    /// When it was started.
    pub create_time: Timestamp,
    /// After this it cannot go on.
    pub expire_time: Timestamp,
}

/// How far an attempt has come. Each step is taken at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthorizationState {
    /// The URL exists; no browser has opened it.
    Started,
    /// A browser was sent to the provider.
    AwaitingConsent,
    /// The provider sent a code; whoever started must now complete.
    AwaitingCompletion,
    /// The code is being redeemed.
    Completing,
    /// There is a connection.
    Completed,
    /// The user, or the provider for them, said no.
    Denied,
    /// It went wrong.
    Failed,
}

/// What a browser's opening of the ticket URL leaves behind; a later opening replaces it.
#[derive(Debug, Clone)]
pub struct TicketUse {
    /// SHA-256 of the `state` sent to the provider.
    pub state_hash: Vec<u8>,
    /// The PKCE verifier (RFC 7636), sealed before it is stored.
    pub pkce_verifier: Secret,
    /// SHA-256 of the cookie that binds the attempt to this browser.
    pub browser_hash: Vec<u8>,
    /// The redirect URI that was sent, to be repeated with the code (RFC 6749 section 4.1.3).
    pub redirect_uri: String,
}

/// What a provider's callback brings, waiting for the starter.
#[derive(Debug, Clone)]
pub struct PendingCode {
    /// The authorization code, sealed before it is stored.
    pub code: Secret,
    /// SHA-256 of the completion token to hand to the app, unless the starter holds one already.
    pub completion_hash: Vec<u8>,
}

/// What redeeming the code needs; handed out once.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The attempt, now in [`AuthorizationState::Completing`].
    pub authorization: Authorization,
    /// The authorization code.
    pub code: Secret,
    /// The PKCE verifier.
    pub pkce_verifier: Secret,
    /// The redirect URI that was sent to the provider.
    pub redirect_uri: String,
}

impl AuthorizationState {
    /// The name the contract and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::AwaitingConsent => "AWAITING_CONSENT",
            Self::AwaitingCompletion => "AWAITING_COMPLETION",
            Self::Completing => "COMPLETING",
            Self::Completed => "COMPLETED",
            Self::Denied => "DENIED",
            Self::Failed => "FAILED",
        }
    }

    /// Reads a name written by [`Self::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::Started,
            Self::AwaitingConsent,
            Self::AwaitingCompletion,
            Self::Completing,
            Self::Completed,
            Self::Denied,
            Self::Failed,
        ]
        .into_iter()
        .find(|state| state.as_str() == name)
    }

    /// Whether nothing more can happen to it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Denied | Self::Failed)
    }
}
