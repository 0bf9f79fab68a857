//! Authorizations: one attempt to connect, from the first click to the redeemed code.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    AuthorizationId, ConnectionConfig, ConnectionId, ConnectorId, Label, Owner, Secret, Timestamp,
    TokenAnswer, WorkspaceName,
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
    /// The tags the connection will have.
    pub tags: BTreeMap<String, String>,
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
    /// The attempt's connection config from now on: what was given and what the callback told.
    pub connection_config: ConnectionConfig,
}

/// What completing needs; handed out to one at a time.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The attempt, now in [`AuthorizationState::Completing`].
    pub authorization: Authorization,
    /// What there is to complete it with.
    pub grant: PendingGrant,
}

/// What an attempt that awaits completion has to complete it with.
#[derive(Debug, Clone)]
pub enum PendingGrant {
    /// A code from the browser's callback.
    Code {
        /// The authorization code.
        code: Secret,
        /// The PKCE verifier.
        pkce_verifier: Secret,
        /// The redirect URI that was sent to the provider.
        redirect_uri: String,
    },
    /// A code of a device, which a person consents to elsewhere.
    Device(PendingDevice),
    /// Tokens that were obtained before, and are not anybody's connection yet.
    Answer(Box<TokenAnswer>),
}

/// A device code (RFC 8628) and when the provider may be asked about it.
#[derive(Debug, Clone)]
pub struct PendingDevice {
    /// The device code, sealed before it is stored.
    pub device_code: Secret,
    /// The shortest time between two questions.
    pub poll_interval: Duration,
    /// No question before this time.
    pub poll_time: Timestamp,
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
