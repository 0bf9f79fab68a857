//! What to do about an error, where one line can say it.

use tokend_api::v1::ErrorReason;
use tonic::Code;

/// The line to print below the error.
pub(crate) fn of(error: &anyhow::Error) -> Option<&'static str> {
    let error = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<tokend_client::Error>())?;
    match error.reason {
        None if error.code == Code::Unavailable => Some(
            "Is 'tokend serve' running there? --endpoint or TOKEND_ENDPOINT names another server.",
        ),
        Some(ErrorReason::CallerUnauthenticated) => Some(
            "Give an API key in TOKEND_API_KEY or with --api-key-file; 'tokend callers add NAME' makes one, which a \
             running server takes within seconds.",
        ),
        Some(ErrorReason::CallerNotAllowed) => Some(
            "If this needs an operator's key: 'tokend callers add NAME --role operator' makes one.",
        ),
        Some(ErrorReason::NotConnected | ErrorReason::ReauthorizationRequired) => {
            Some("Connect the account with: tokend connect TYPE")
        }
        _ => None,
    }
}
