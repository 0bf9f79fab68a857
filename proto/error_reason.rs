//! What goes with each `ErrorReason`: its name in `google.rpc.ErrorInfo` and the gRPC code it travels with.

use tonic::Code;

use crate::v1::ErrorReason;

const PREFIX: &str = "ERROR_REASON_";

impl ErrorReason {
    /// The `reason` of `google.rpc.ErrorInfo`: the name without the prefix `ERROR_REASON_`, such as `NOT_CONNECTED`.
    pub fn reason(&self) -> &'static str {
        let name = self.as_str_name();
        name.strip_prefix(PREFIX).unwrap_or(name)
    }

    /// The error reason whose [`reason`](Self::reason) this is; none for a name this version does not know.
    pub fn from_reason(reason: &str) -> Option<Self> {
        Self::from_str_name(&format!("{PREFIX}{reason}"))
    }

    /// The gRPC code this reason travels with, as its comment in the proto says.
    pub fn code(&self) -> Code {
        match self {
            Self::Unspecified => Code::Unknown,
            Self::InvalidField | Self::ConnectionConfigInvalid => Code::InvalidArgument,
            Self::CallerUnauthenticated | Self::AppUserUnauthenticated => Code::Unauthenticated,
            Self::CallerNotAllowed | Self::CompletionMismatch | Self::Suspended => {
                Code::PermissionDenied
            }
            Self::IntegrationTypeUnknown
            | Self::ConnectorNotFound
            | Self::ConnectionNotFound
            | Self::AuthorizationNotFound
            | Self::SuspensionNotFound
            | Self::BulkRevocationNotFound => Code::NotFound,
            Self::NotConnected
            | Self::AuthorizationPending
            | Self::AuthorizationExpired
            | Self::AuthorizationDenied
            | Self::ReauthorizationRequired
            | Self::ScopeNotGranted
            | Self::ConnectorInUse
            | Self::ConnectorDisabled
            | Self::ClientRejected
            | Self::AuthorizationFailed
            | Self::DatabaseNotAdopted
            | Self::AccountChanged => Code::FailedPrecondition,
            Self::ProviderUnavailable
            | Self::ProviderRateLimited
            | Self::ProviderMisbehaved
            | Self::RefreshInProgress
            | Self::StorageUnavailable
            | Self::AuditUnavailable
            | Self::Overloaded
            | Self::ServerDraining
            | Self::WatcherTooSlow => Code::Unavailable,
            Self::QuotaExceeded => Code::ResourceExhausted,
            Self::ConnectorExists => Code::AlreadyExists,
            Self::EtagMismatch => Code::Aborted,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::Internal => Code::Internal,
            Self::Unimplemented => Code::Unimplemented,
        }
    }
}
