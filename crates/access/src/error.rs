//! Why a call is refused, by meaning. No text of a key or token is ever part of it.

use std::time::Duration;

use tokend_model::{InvalidId, WorkspaceName};

use crate::Action;

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Nobody knows who is calling.
    #[error("the caller is not authenticated: {0}")]
    CallerUnauthenticated(CallerRejection),
    /// The app user's token is not accepted.
    #[error("the app user is not authenticated: {0}")]
    AppUserUnauthenticated(TokenRejection),
    /// The caller is known, and may not do this here.
    #[error("{caller} has no permission to {action} here, in workspace {workspace}")]
    NotAllowed {
        /// The caller's name.
        caller: String,
        /// What it wanted to do.
        action: Action,
        /// Where.
        workspace: WorkspaceName,
    },
    /// An operator has stopped this.
    #[error("{0}")]
    Suspended(Suspended),
    /// What was to be set going again is not stopped.
    #[error("that is not suspended")]
    NotSuspended,
    /// More was asked for than the quota allows.
    #[error("the quota {quota} is used up")]
    QuotaExceeded {
        /// Which quota: its configuration key.
        quota: &'static str,
        /// How long it will not be different.
        retry_after: Duration,
    },
}

/// What an operator has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Suspended {
    /// Whoever calls.
    #[error("an operator has stopped this caller")]
    Caller,
    /// What would be vended or connected.
    #[error("an operator has stopped this integration type")]
    IntegrationType,
    /// All of it.
    #[error("an operator has stopped this workspace")]
    Workspace,
}

/// Why a caller's credentials are not accepted.
///
/// An unknown, a wrong and an expired key are one and the same, so that guessing teaches nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallerRejection {
    /// The call has none.
    #[error("the call has no authorization metadata, and its connection no client certificate")]
    Missing,
    /// They are not of the form `Bearer tokend_<key id>_<secret>` or `Bearer <JWT>`.
    #[error("authorization must be 'Bearer' and an API key or a JWT")]
    Malformed,
    /// The client certificate of the connection has run out since it was made.
    #[error("the client certificate has expired; connect again with a new one")]
    CertificateExpired,
    /// They are not, or no longer, good.
    #[error("the API key is not accepted")]
    Refused,
    /// The JWT is not accepted; the reason is in this server's log.
    #[error("the token is not accepted")]
    TokenRefused,
    /// The JWT is right, and ran out.
    #[error("the token is expired")]
    TokenExpired,
    /// Whether the JWT is right cannot be found out now; asking again later helps.
    #[error("the token cannot be checked at the moment")]
    Unavailable,
}

/// Why an app user's token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenRejection {
    /// The call has none.
    #[error("there is no x-tokend-user-token")]
    Missing,
    /// It is longer than 16 KiB.
    #[error("the token is too long")]
    TooLong,
    /// It is not a JWT in the compact form (RFC 7519), signed by an algorithm known here, with each name once.
    #[error("the token is not a signed JWT")]
    Malformed,
    /// Its `typ` says that it is for something else (RFC 8725 section 3.11).
    #[error("the token is of another type than JWT or at+jwt")]
    WrongType,
    /// It has critical header parameters; none is understood here (RFC 7515 section 4.1.11).
    #[error("the token has critical header parameters that are not understood")]
    UnknownCritical,
    /// No issuer of this name is trusted in the workspace.
    #[error("the token's issuer is not trusted here")]
    UnknownIssuer,
    /// Its issuer is trusted for other callers' users only.
    #[error("the token's issuer is not trusted for users of this caller")]
    IssuerNotForCaller,
    /// Its algorithm is not among those of its issuer.
    #[error("the token's algorithm is not allowed for its issuer")]
    AlgorithmNotAllowed,
    /// Its issuer has no such key.
    #[error("the token's key is not among its issuer's keys")]
    UnknownKey,
    /// The issuer's keys cannot be fetched; asking again later helps.
    #[error("the issuer's keys are unavailable")]
    KeysUnavailable,
    /// Its signature does not verify.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// It is meant for somebody else.
    #[error("the token is for another audience")]
    WrongAudience,
    /// It ran out.
    #[error("the token is expired")]
    Expired,
    /// It was issued longer ago than tokens may have been here.
    #[error("the token was issued too long ago")]
    TooOld,
    /// The user's id begins as those of another issuer's users do.
    #[error("the token's user id begins like those of another issuer's users")]
    UserIdOfAnother,
    /// Its `nbf` or `iat` is in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// A required claim is absent.
    #[error("the token has no claim {0}")]
    ClaimMissing(String),
    /// A claim is of another type than it must be.
    #[error("the token's claim {0} is of the wrong type")]
    ClaimMalformed(String),
    /// Its `sub` is not the service account that it was made for.
    #[error("the token's claims sub and kubernetes.io name different service accounts")]
    ClaimsDisagree,
    /// The Kubernetes API server says no: such as after its pod was deleted.
    #[error("the API server does not confirm the token")]
    NotConfirmed,
    /// The Kubernetes API server does not answer; asking again later helps.
    #[error("the API server does not review tokens at the moment")]
    ReviewUnavailable,
    /// The claim that names the user cannot be a user's id.
    #[error("{0}")]
    UserIdInvalid(InvalidId),
}

impl CallerRejection {
    /// Whether the same credentials may be accepted a little later.
    pub fn is_transient(self) -> bool {
        self == Self::Unavailable
    }
}

impl TokenRejection {
    /// Whether the same token may be accepted a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::KeysUnavailable | Self::ReviewUnavailable)
    }
}

impl From<CallerRejection> for AccessError {
    fn from(rejection: CallerRejection) -> Self {
        Self::CallerUnauthenticated(rejection)
    }
}

impl From<TokenRejection> for AccessError {
    fn from(rejection: TokenRejection) -> Self {
        Self::AppUserUnauthenticated(rejection)
    }
}
