//! What to do about an error, where one line can say it.

use std::borrow::Cow;

use tokend_api::v1::ErrorReason;
use tonic::Code;

use crate::get::Unconnected;

/// The line to print below the error.
pub(crate) fn of(error: &anyhow::Error) -> Option<Cow<'static, str>> {
    // Backends may not ask how a type is connected, so that both ways are told.
    if let Some(Unconnected(name)) = error.downcast_ref() {
        let hint = format!(
            "Connect the account with: tokend connect {name}\n\
             or, where it is an API key or a password: tokend connections set-credential {name}"
        );
        return Some(hint.into());
    }
    of_call(error).map(Cow::Borrowed)
}

fn of_call(error: &anyhow::Error) -> Option<&'static str> {
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
        Some(ErrorReason::ConnectorInUse) => Some(
            "'tokend connections list --connector ID' shows its connections; 'tokend connections delete ID' deletes one.",
        ),
        _ if error.code == Code::Internal => Some("The server's log says why."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;

    #[test]
    fn an_internal_error_leads_to_the_servers_log() {
        let failed = |status: Status| anyhow::Error::from(tokend_client::Error::from(status));
        let hint = of(&failed(Status::internal("it failed"))).unwrap();
        assert!(hint.contains("log"), "{hint}");
        assert_eq!(of(&failed(Status::aborted("again"))), None);
    }
}
