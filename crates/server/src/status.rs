//! The one place where an error becomes a gRPC status: code, `ErrorInfo`, and what else helps the caller.

use std::{collections::HashMap, time::Duration};

use tokend_access::{AccessError, Suspended};
use tokend_api::{
    ERROR_DOMAIN,
    v1::{CallStatus, ErrorReason},
};
use tokend_vending::{ConnectLink, Error};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::failure::Failure;

/// No value of metadata is longer in bytes: what it repeats of a request may be, and a client refuses long trailers.
const LONGEST_VALUE: usize = 255;

/// No message is longer in bytes, for the same reason.
const LONGEST_MESSAGE: usize = 1000;

/// No more field violations than these are told.
const MOST_VIOLATIONS: usize = 10;

/// How soon the audit trail may take records again.
const AUDIT_RETRY: Duration = Duration::from_secs(2);

/// How soon an issuer's keys may be there again.
const ISSUER_RETRY: Duration = Duration::from_secs(5);

const AUDIT_UNAVAILABLE: &str =
    "the audit trail cannot be written now, and nothing is done that would not be on it";

/// How soon there may be room for a call again.
const OVERLOAD_RETRY: Duration = Duration::from_secs(1);

/// How many bytes the field violations of a set of connectors share.
const ROOM_FOR_A_SET: usize = 4500;

/// A failed call.
pub(crate) fn of(failure: &Failure) -> Status {
    about(failure, Vec::new())
}

/// A failed call, with what the request named.
pub(crate) fn about(failure: &Failure, asked: Vec<(&'static str, String)>) -> Status {
    match failure {
        Failure::Access(error) => of_access(error, asked),
        Failure::UseCase(error) => of_use_case(error, asked),
        Failure::AuditUnavailable => audit_unavailable(),
    }
}

/// The error's reason in the contract.
pub(crate) fn reason(failure: &Failure) -> ErrorReason {
    match failure {
        Failure::Access(error) => access_reason(error),
        Failure::UseCase(error) => {
            ErrorReason::from_reason(error.reason()).unwrap_or(ErrorReason::Internal)
        }
        Failure::AuditUnavailable => ErrorReason::AuditUnavailable,
    }
}

fn of_use_case(error: &Error, asked: Vec<(&'static str, String)>) -> Status {
    let reason = ErrorReason::from_reason(error.reason()).unwrap_or(ErrorReason::Internal);
    let mut details = ErrorDetails::new();
    let mut metadata = metadata(error);
    for (key, value) in asked {
        metadata
            .entry(key.to_owned())
            .or_insert_with(|| cut(value, LONGEST_VALUE));
    }
    details.set_error_info(reason.reason(), ERROR_DOMAIN, metadata);
    match error {
        Error::InvalidField { field, why } => {
            details.add_bad_request_violation(*field, cut(why.clone(), LONGEST_VALUE));
        }
        Error::InvalidConnectionConfig(invalid) => {
            for (key, why) in invalid.violations.iter().take(MOST_VIOLATIONS) {
                let field = cut(format!("connection_config.{key}"), LONGEST_VALUE);
                details.add_bad_request_violation(field, cut(why.clone(), LONGEST_VALUE));
            }
        }
        Error::InvalidSet { violations, .. } => {
            // As much as there is room for, however many share it; the metadata says how many there are.
            let longest = (ROOM_FOR_A_SET / violations.len().max(1)).clamp(150, LONGEST_MESSAGE);
            let mut room = ROOM_FOR_A_SET;
            for (field, why) in violations {
                let (field, why) = (cut(field.clone(), LONGEST_VALUE), cut(why.clone(), longest));
                let Some(left) = room.checked_sub(field.len() + why.len()) else {
                    break;
                };
                room = left;
                details.add_bad_request_violation(field, why);
            }
        }
        Error::NotConnected {
            connect: Some(link),
        }
        | Error::ReauthorizationRequired {
            connect: Some(link),
        } => {
            details.add_help_link(
                "Send the user here to connect the account",
                link.redirect_url.expose(),
            );
        }
        _ => {}
    }
    if let Some(retry_after) = retry_after(error) {
        details.set_retry_info(Some(retry_after));
    }
    Status::with_error_details(reason.code(), message(error), details)
}

/// Why a caller or app user was not let in.
fn of_access(error: &AccessError, asked: Vec<(&'static str, String)>) -> Status {
    let reason = access_reason(error);
    let mut details = ErrorDetails::new();
    let mut metadata = access_metadata(error);
    for (key, value) in asked {
        metadata
            .entry(key.to_owned())
            .or_insert_with(|| cut(value, LONGEST_VALUE));
    }
    details.set_error_info(reason.reason(), ERROR_DOMAIN, metadata);
    if let Some(retry_after) = access_retry_after(error) {
        details.set_retry_info(Some(retry_after));
    }
    let message = cut(error.to_string(), LONGEST_MESSAGE);
    Status::with_error_details(reason.code(), message, details)
}

fn access_reason(error: &AccessError) -> ErrorReason {
    match error {
        AccessError::CallerUnauthenticated(_) => ErrorReason::CallerUnauthenticated,
        AccessError::AppUserUnauthenticated(_) => ErrorReason::AppUserUnauthenticated,
        AccessError::NotAllowed { .. } => ErrorReason::CallerNotAllowed,
        AccessError::Suspended(_) => ErrorReason::Suspended,
        AccessError::NotSuspended => ErrorReason::SuspensionNotFound,
        AccessError::QuotaExceeded { .. } => ErrorReason::QuotaExceeded,
    }
}

fn access_metadata(error: &AccessError) -> HashMap<String, String> {
    let pair = match error {
        AccessError::Suspended(Suspended::Caller) => ("suspended", "caller"),
        AccessError::Suspended(Suspended::IntegrationType) => ("suspended", "integrationType"),
        AccessError::Suspended(Suspended::Workspace) => ("suspended", "workspace"),
        AccessError::QuotaExceeded { quota, .. } => ("quota", *quota),
        _ => return HashMap::new(),
    };
    HashMap::from([(pair.0.to_owned(), pair.1.to_owned())])
}

fn access_retry_after(error: &AccessError) -> Option<Duration> {
    match error {
        AccessError::AppUserUnauthenticated(rejection) if rejection.is_transient() => {
            Some(ISSUER_RETRY)
        }
        AccessError::CallerUnauthenticated(rejection) if rejection.is_transient() => {
            Some(ISSUER_RETRY)
        }
        AccessError::QuotaExceeded { retry_after, .. } => Some(*retry_after),
        _ => None,
    }
}

/// Nothing is handed out that cannot be put on record.
fn audit_unavailable() -> Status {
    let reason = ErrorReason::AuditUnavailable;
    let mut details = ErrorDetails::new();
    details.set_error_info(reason.reason(), ERROR_DOMAIN, HashMap::new());
    details.set_retry_info(Some(AUDIT_RETRY));
    Status::with_error_details(reason.code(), AUDIT_UNAVAILABLE, details)
}

/// An RPC that this version does not have yet.
pub(crate) fn unimplemented(rpc: &'static str) -> Status {
    let reason = ErrorReason::Unimplemented;
    let metadata = HashMap::from([("rpc".to_owned(), rpc.to_owned())]);
    let mut details = ErrorDetails::new();
    details.set_error_info(reason.reason(), ERROR_DOMAIN, metadata);
    Status::with_error_details(reason.code(), format!("{rpc} is not built yet"), details)
}

/// A call that took too long.
pub(crate) fn deadline_exceeded() -> Status {
    let reason = ErrorReason::DeadlineExceeded;
    let mut details = ErrorDetails::new();
    details.set_error_info(reason.reason(), ERROR_DOMAIN, HashMap::new());
    let message = "the call took longer than its deadline; what it began may still be completed";
    Status::with_error_details(reason.code(), message, details)
}

/// A call beyond those that there is room for.
pub(crate) fn overloaded() -> Status {
    let reason = ErrorReason::Overloaded;
    let mut details = ErrorDetails::new();
    details.set_error_info(reason.reason(), ERROR_DOMAIN, HashMap::new());
    details.set_retry_info(Some(OVERLOAD_RETRY));
    let message =
        "too many calls are under way here; try again, at another replica if there is one";
    Status::with_error_details(reason.code(), message, details)
}

/// A call with more metadata than is read. Trying again does not help.
pub(crate) fn metadata_too_large() -> Status {
    let reason = ErrorReason::QuotaExceeded;
    let quota = "grpc.max_metadata_bytes";
    let metadata = HashMap::from([("quota".to_owned(), quota.to_owned())]);
    let mut details = ErrorDetails::new();
    details.set_error_info(reason.reason(), ERROR_DOMAIN, metadata);
    let message = format!("the call's metadata is larger than {quota} allows");
    Status::with_error_details(reason.code(), message, details)
}

/// A failure as an item of a batch.
pub(crate) fn call_status(failure: &Failure) -> CallStatus {
    let reason = reason(failure);
    let (message, retry_delay, metadata) = match failure {
        Failure::UseCase(error) => return use_case_status(reason, error),
        Failure::Access(error) => (
            cut(error.to_string(), LONGEST_MESSAGE),
            access_retry_after(error),
            access_metadata(error),
        ),
        Failure::AuditUnavailable => (
            AUDIT_UNAVAILABLE.to_owned(),
            Some(AUDIT_RETRY),
            HashMap::new(),
        ),
    };
    CallStatus {
        code: reason.code() as i32,
        reason: reason.reason().to_owned(),
        message,
        retry_delay: retry_delay.and_then(|delay| delay.try_into().ok()),
        metadata,
        connect_url: String::new(),
    }
}

fn use_case_status(reason: ErrorReason, error: &Error) -> CallStatus {
    let connect_url = match error {
        Error::NotConnected {
            connect: Some(link),
        }
        | Error::ReauthorizationRequired {
            connect: Some(link),
        } => link.redirect_url.expose().to_owned(),
        _ => String::new(),
    };
    CallStatus {
        code: reason.code() as i32,
        reason: reason.reason().to_owned(),
        message: message(error),
        retry_delay: retry_after(error).and_then(|delay| delay.try_into().ok()),
        metadata: metadata(error),
        connect_url,
    }
}

fn retry_after(error: &Error) -> Option<Duration> {
    match error {
        Error::ProviderUnavailable { retry_after }
        | Error::ProviderRateLimited { retry_after }
        | Error::ProviderMisbehaved { retry_after }
        | Error::RefreshInProgress { retry_after }
        | Error::GrantInDoubt { retry_after }
        | Error::ConsentPending { retry_after }
        | Error::CredentialUnchecked { retry_after }
        | Error::OutcomeUnknown { retry_after } => Some(*retry_after),
        Error::StorageUnavailable | Error::JournalUnavailable => Some(Duration::from_secs(1)),
        _ => None,
    }
}

/// The dynamic parts of the message, as AIP-193 asks.
fn metadata(error: &Error) -> HashMap<String, String> {
    let pairs: Vec<(&str, String)> = match error {
        Error::IntegrationTypeUnknown { name, nearest } => {
            let mut pairs = vec![("integrationType", name.clone())];
            pairs.extend(nearest.iter().map(|near| ("nearest", near.clone())));
            pairs
        }
        Error::ConnectorDisabled { connector_id }
        | Error::ConnectorExists { connector_id }
        | Error::ClientRejected { connector_id } => vec![("connectorId", connector_id.clone())],
        Error::ConnectorInUse {
            connector_id,
            connections,
        } => vec![
            ("connectorId", connector_id.clone()),
            ("connectionCount", connections.to_string()),
        ],
        Error::InvalidField { field, .. } => vec![("field", (*field).to_owned())],
        Error::InvalidSet { first, violations } => {
            let mut all = match violations.len() {
                1 => metadata(first),
                _ => HashMap::new(),
            };
            all.insert("violationCount".to_owned(), violations.len().to_string());
            return all;
        }
        Error::AccountChanged { connection_id } => {
            vec![("connectionId", connection_id.clone())]
        }
        Error::TokenNotGranted { token } => vec![("token", token.clone())],
        Error::ScopeNotGranted { missing } => vec![("missingScopes", missing.join(" "))],
        Error::NotConnected {
            connect: Some(ConnectLink {
                authorization_id, ..
            }),
        }
        | Error::ReauthorizationRequired {
            connect: Some(ConnectLink {
                authorization_id, ..
            }),
        } => vec![("authorizationId", authorization_id.clone())],
        _ => Vec::new(),
    };
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), cut(value, LONGEST_VALUE)))
        .collect()
}

fn message(error: &Error) -> String {
    cut(error.to_string(), LONGEST_MESSAGE)
}

/// At most so many bytes of a text, ending with a character.
fn cut(mut text: String, longest: usize) -> String {
    text.truncate(text.floor_char_boundary(longest));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokend_model::InvalidConnectionConfig;

    #[test]
    fn every_error_has_its_own_reason_in_the_contract() {
        let second = Duration::from_secs(1);
        let errors = [
            Error::invalid("label", "is too long"),
            Error::InvalidSet {
                first: Box::new(Error::invalid("scopes", "are wrong")),
                violations: vec![("connectors[0].scopes".into(), "are wrong".into())],
            },
            Error::IntegrationTypeUnknown {
                name: "x".into(),
                nearest: None,
            },
            Error::ConnectorNotFound { what: "x".into() },
            Error::ConnectorDisabled {
                connector_id: "x".into(),
            },
            Error::ConnectionNotFound,
            Error::BulkRevocationNotFound,
            Error::AuthorizationNotFound,
            Error::NotConnected { connect: None },
            Error::AuthorizationPending,
            Error::ConsentPending {
                retry_after: second,
            },
            Error::AccountChanged {
                connection_id: "x".into(),
            },
            Error::CredentialRejected,
            Error::CredentialUnchecked {
                retry_after: second,
            },
            Error::AuthorizationExpired,
            Error::AuthorizationDenied,
            Error::AuthorizationFailed { why: "x".into() },
            Error::CompletionMismatch,
            Error::ReauthorizationRequired { connect: None },
            Error::ClientRejected {
                connector_id: "x".into(),
            },
            Error::ScopeNotGranted {
                missing: vec!["x".into()],
            },
            Error::TokenNotGranted { token: "x".into() },
            Error::ProviderUnavailable {
                retry_after: second,
            },
            Error::ProviderRateLimited {
                retry_after: second,
            },
            Error::ProviderMisbehaved {
                retry_after: second,
            },
            Error::RefreshInProgress {
                retry_after: second,
            },
            Error::GrantInDoubt {
                retry_after: second,
            },
            Error::OutcomeUnknown {
                retry_after: second,
            },
            Error::VendsOnly,
            Error::StorageUnavailable,
            Error::JournalUnavailable,
            Error::ConnectorExists {
                connector_id: "x".into(),
            },
            Error::ConnectorInUse {
                connector_id: "x".into(),
                connections: 1,
            },
            Error::EtagMismatch,
            Error::Internal,
        ];
        for error in errors {
            let details = of(&error.clone().into()).get_error_details();
            let info = details.error_info().expect("every error has an ErrorInfo");
            assert_eq!(info.reason, error.reason(), "{error}");
            assert_eq!(info.domain, "tokend");
        }
    }

    #[test]
    fn what_a_request_brings_is_cut() {
        let long = "é".repeat(40_000);
        let asked = vec![("connectorId", format!("x{long}")), ("label", long.clone())];
        let config = InvalidConnectionConfig {
            violations: (0..1000)
                .map(|number| (format!("{number}{long}"), long.clone()))
                .collect(),
        };
        let set = |count: usize| Error::InvalidSet {
            first: Box::new(Error::invalid("scopes", long.clone())),
            violations: vec![(format!("connectors[0].{long}"), long.clone()); count],
        };
        for error in [
            set(1),
            set(1000),
            Error::invalid("scopes", long.clone()),
            Error::ScopeNotGranted {
                missing: vec![long.clone(); 3],
            },
            Error::IntegrationTypeUnknown {
                name: long.clone(),
                nearest: None,
            },
            config.into(),
        ] {
            let status = about(&error.clone().into(), asked.clone());
            let length = status.message().len() + status.details().len();
            assert!(length < 8 << 10, "{length} bytes");
            let details = status.get_error_details();
            let metadata = &details.error_info().expect("an ErrorInfo").metadata;
            assert_eq!(metadata["connectorId"].len(), 255);
            assert_eq!(metadata["label"].len(), 254, "whole characters");
            let told = call_status(&error.into());
            assert!(told.message.len() + told.metadata.len() < 8 << 10);
        }
    }
}
