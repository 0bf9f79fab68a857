//! Why a use case could not do what was asked, by meaning. No text here carries a secret or a provider's words.

use std::time::Duration;

use tokend_model::{
    InvalidConnectionConfig, Secret, TokenFailure, TokenFailureKind, ports::InvalidDefinition,
    ports::StorageError,
};

/// Where to send the user whose consent is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectLink {
    /// The URL for the browser; holds a one-time ticket.
    pub redirect_url: Secret,
    /// The attempt it belongs to.
    pub authorization_id: String,
}

/// The reason of [`Error::AccountChanged`], as attempts keep it.
pub(crate) const ACCOUNT_CHANGED: &str = "ACCOUNT_CHANGED";

/// Why a use case could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[expect(missing_docs, reason = "the fields say what the message says")]
pub enum Error {
    /// A field of the request is not of its form.
    #[error("{field}: {why}")]
    InvalidField { field: &'static str, why: String },
    /// Connection config values that cannot be taken.
    #[error(transparent)]
    InvalidConnectionConfig(#[from] InvalidConnectionConfig),
    /// A set of connectors with something wrong in it: all of it, each by the path of its field. `first` stands for all
    /// where they are of one kind.
    #[error("{}", .violations.iter().map(|(field, why)| format!("{field}: {why}")).collect::<Vec<_>>().join("; "))]
    InvalidSet {
        first: Box<Error>,
        violations: Vec<(String, String)>,
    },
    /// No such entry in the catalogue.
    #[error("there is no integration type '{name}'{}", .nearest.as_ref().map(|near| format!("; did you mean '{near}'?")).unwrap_or_default())]
    IntegrationTypeUnknown {
        name: String,
        nearest: Option<String>,
    },
    /// The integration type is known, but nobody has set up a connector for it.
    #[error("{what}")]
    ConnectorNotFound { what: String },
    /// The connector is switched off.
    #[error("connector '{connector_id}' is disabled")]
    ConnectorDisabled { connector_id: String },
    /// No connection with that id or label.
    #[error("there is no such connection")]
    ConnectionNotFound,
    /// No bulk revocation with that id.
    #[error("there is no such bulk revocation")]
    BulkRevocationNotFound,
    /// No attempt with that id, ticket or state, or it was used already.
    #[error("there is no such authorization, or it was used already")]
    AuthorizationNotFound,
    /// Nobody has connected yet, or the connection was revoked.
    #[error(
        "not connected yet, or revoked since; an app user connects with ConnectAppUser, an operator the shared account \
         with 'tokend connect'"
    )]
    NotConnected { connect: Option<ConnectLink> },
    /// Somebody is connecting just now.
    #[error("an authorization is under way; the user has not finished it yet")]
    AuthorizationPending,
    /// The person has not consented on the other device; asking again sooner brings nothing.
    #[error("the person has not consented yet; complete it again after the time told")]
    ConsentPending { retry_after: Duration },
    /// Consent was given with another account than the connection's, and its connector wants that confirmed.
    #[error(
        "consent was given with another account than the one connected; complete it again with accept_account_change \
         to take that one, or leave it"
    )]
    AccountChanged { connection_id: String },
    /// The attempt took too long, or was used already.
    #[error("the authorization has expired or was used already; start a new one")]
    AuthorizationExpired,
    /// The user said no.
    #[error("the user or the provider denied access")]
    AuthorizationDenied,
    /// The attempt went wrong at the provider or on the way.
    #[error("the authorization failed: {why}; start a new one")]
    AuthorizationFailed { why: String },
    /// Whoever completes is not who started, or the completion token is not the attempt's.
    #[error(
        "the authorization was started by somebody else, in another browser, or for tokend's own page, or the \
         completion token is not its own"
    )]
    CompletionMismatch,
    /// The grant is dead; only the user can renew it.
    #[error("the provider no longer accepts this grant; the account has to be connected again")]
    ReauthorizationRequired { connect: Option<ConnectLink> },
    /// A credential that a person entered no longer works, and nothing here can renew it.
    #[error(
        "the provider no longer accepts the credential that was set here; an operator sets a new one with \
         SetStaticCredential ('tokend connections set-credential')"
    )]
    CredentialRejected,
    /// The provider refuses the connector's client credentials.
    #[error(
        "the provider refuses the client credentials of connector '{connector_id}'; an operator has to correct them"
    )]
    ClientRejected { connector_id: String },
    /// Scopes were asked for that the user did not grant.
    #[error("scopes not granted: {}", .missing.join(" "))]
    ScopeNotGranted { missing: Vec<String> },
    /// The account is connected, but one of its tokens was asked for that did not come with it.
    #[error(
        "the connection has no token '{token}': no scope of it was asked for, or the user granted none; an operator adds \
         scopes to the connector, written '{token}:...', and the account is connected again"
    )]
    TokenNotGranted { token: String },
    /// The provider cannot be reached or does not answer.
    #[error("the provider cannot be reached or does not answer")]
    ProviderUnavailable { retry_after: Duration },
    /// The provider could not be asked whether a credential works.
    #[error(
        "the provider could not be asked whether the credential works; try again, or set it unchecked with skip_check"
    )]
    CredentialUnchecked { retry_after: Duration },
    /// The provider asked us to slow down.
    #[error("the provider asked to slow down")]
    ProviderRateLimited { retry_after: Duration },
    /// The provider answered something that is no token.
    #[error("the provider answered something that cannot be used")]
    ProviderMisbehaved { retry_after: Duration },
    /// Another replica is renewing this connection.
    #[error("another replica is renewing this connection")]
    RefreshInProgress { retry_after: Duration },
    /// The provider refused the grant once; that is confirmed before the user is asked.
    #[error(
        "the provider refused the grant; it is asked once more before the account has to be connected again"
    )]
    GrantInDoubt { retry_after: Duration },
    /// The answer to a renewal was lost. The refresh token is presented again once that can do no harm.
    #[error(
        "the answer to the last renewal was lost; the provider is asked again when the present token has run out"
    )]
    OutcomeUnknown { retry_after: Duration },
    /// This database may be a copy or an old backup: no provider is called for what is in it.
    #[error(
        "this database is not known to be this deployment's own, so that no provider is called for it; an operator \
         who is sure that no other tokend uses these connections runs 'tokend adopt-database'"
    )]
    VendsOnly,
    /// The database is away.
    #[error("the database is unavailable")]
    StorageUnavailable,
    /// The journal's disk takes nothing.
    #[error("the journal cannot be written, and without it no token is renewed")]
    JournalUnavailable,
    /// A connector with that id, or a second shared one of its type.
    #[error(
        "connector '{connector_id}' exists already, or its integration type has a shared connector"
    )]
    ConnectorExists { connector_id: String },
    /// The connector has connections, which deleting it would lose.
    #[error(
        "connector '{connector_id}' has {connections} connection(s); delete them first, or delete it with force"
    )]
    ConnectorInUse {
        connector_id: String,
        connections: u32,
    },
    /// It was changed since it was read.
    #[error("it was changed since it was read; read it again")]
    EtagMismatch,
    /// A defect or a damaged row; the log has it.
    #[error("internal error")]
    Internal,
}

impl Error {
    /// A field that is not of its form.
    pub fn invalid(field: &'static str, why: impl Into<String>) -> Self {
        Self::InvalidField {
            field,
            why: why.into(),
        }
    }

    /// What a failed token call means to a caller, to be tried again after `pause`.
    pub(crate) fn from_token_failure(
        kind: TokenFailureKind,
        connector_id: &str,
        pause: Duration,
    ) -> Self {
        match kind {
            TokenFailureKind::NotSent | TokenFailureKind::Ambiguous => {
                Self::ProviderUnavailable { retry_after: pause }
            }
            TokenFailureKind::RateLimited => Self::ProviderRateLimited { retry_after: pause },
            TokenFailureKind::GrantRejected => Self::ReauthorizationRequired { connect: None },
            TokenFailureKind::ClientRejected => Self::ClientRejected {
                connector_id: connector_id.to_owned(),
            },
            TokenFailureKind::RequestRejected | TokenFailureKind::Garbage => {
                Self::ProviderMisbehaved { retry_after: pause }
            }
        }
    }

    /// The name under which a failure is kept with a connection or an authorization; the contract's reasons.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidField { .. } => "INVALID_FIELD",
            Self::InvalidConnectionConfig(_) => "CONNECTION_CONFIG_INVALID",
            Self::InvalidSet { first, .. } => first.reason(),
            Self::IntegrationTypeUnknown { .. } => "INTEGRATION_TYPE_UNKNOWN",
            Self::ConnectorNotFound { .. } => "CONNECTOR_NOT_FOUND",
            Self::ConnectorDisabled { .. } => "CONNECTOR_DISABLED",
            Self::ConnectionNotFound => "CONNECTION_NOT_FOUND",
            Self::BulkRevocationNotFound => "BULK_REVOCATION_NOT_FOUND",
            Self::AuthorizationNotFound => "AUTHORIZATION_NOT_FOUND",
            Self::NotConnected { .. } => "NOT_CONNECTED",
            Self::AuthorizationPending | Self::ConsentPending { .. } => "AUTHORIZATION_PENDING",
            Self::AccountChanged { .. } => ACCOUNT_CHANGED,
            Self::AuthorizationExpired => "AUTHORIZATION_EXPIRED",
            Self::AuthorizationDenied => "AUTHORIZATION_DENIED",
            Self::AuthorizationFailed { .. } => "AUTHORIZATION_FAILED",
            Self::CompletionMismatch => "COMPLETION_MISMATCH",
            Self::ReauthorizationRequired { .. } | Self::CredentialRejected => {
                "REAUTHORIZATION_REQUIRED"
            }
            Self::ClientRejected { .. } => "CLIENT_REJECTED",
            Self::ScopeNotGranted { .. } | Self::TokenNotGranted { .. } => "SCOPE_NOT_GRANTED",
            Self::ProviderUnavailable { .. } | Self::CredentialUnchecked { .. } => {
                "PROVIDER_UNAVAILABLE"
            }
            Self::ProviderRateLimited { .. } => "PROVIDER_RATE_LIMITED",
            Self::ProviderMisbehaved { .. } => "PROVIDER_MISBEHAVED",
            Self::RefreshInProgress { .. } | Self::GrantInDoubt { .. } => "REFRESH_IN_PROGRESS",
            Self::OutcomeUnknown { .. } => "PROVIDER_UNAVAILABLE",
            Self::VendsOnly => "DATABASE_NOT_ADOPTED",
            Self::StorageUnavailable | Self::JournalUnavailable => "STORAGE_UNAVAILABLE",
            Self::ConnectorExists { .. } => "CONNECTOR_EXISTS",
            Self::ConnectorInUse { .. } => "CONNECTOR_IN_USE",
            Self::EtagMismatch => "ETAG_MISMATCH",
            Self::Internal => "INTERNAL",
        }
    }
}

impl From<StorageError> for Error {
    /// Logs the driver's words here, once; callers are told only what they can act on.
    fn from(error: StorageError) -> Self {
        match &error {
            StorageError::Unavailable(source) => {
                tracing::warn!(error = %source, "the database is unavailable");
                Self::StorageUnavailable
            }
            StorageError::Changed => Self::EtagMismatch,
            StorageError::Exists | StorageError::InUse { .. } | StorageError::Corrupt { .. } => {
                tracing::error!(%error, "a row is not as it should be");
                Self::Internal
            }
        }
    }
}

impl From<InvalidDefinition> for Error {
    fn from(invalid: InvalidDefinition) -> Self {
        Self::invalid("integration_types", invalid.0)
    }
}

/// Logs why a token call failed; the detail is ours, not the provider's.
pub(crate) fn log_token_failure(call: &'static str, id: &str, failure: &TokenFailure) {
    tracing::warn!(call, id, kind = ?failure.kind, detail = %failure.detail, "the token endpoint gave no token");
}
