//! What to do about an error, where one line can say it.

use std::{borrow::Cow, time::Duration};

use tokend_api::v1::ErrorReason;
use tokend_client::Error;
use tonic::Code;

use crate::get::Unconnected;

/// The line to print below the error, of a command that operators give, or of one that backends do.
pub(crate) fn of(error: &anyhow::Error, administrative: bool) -> Option<Cow<'static, str>> {
    // Backends may not ask how a type is connected, so that both ways are told.
    if let Some(Unconnected(name)) = error.downcast_ref() {
        let hint = format!(
            "Connect the account with: tokend connect {name}\n\
             or, where it is an API key or a password: tokend connections set-credential {name}"
        );
        return Some(hint.into());
    }
    let error = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<tokend_client::Error>())?;
    if error.reason == Some(ErrorReason::CallerNotAllowed) && !administrative {
        return Some(why_not(error).into());
    }
    if let Some(delay) = error.retry_delay {
        return Some(format!("Try again in {:.1} s.", tenths(delay)).into());
    }
    of_call(error).map(Cow::Borrowed)
}

/// Up to the next tenth of a second: whoever waits for so long has waited long enough.
fn tenths(delay: Duration) -> f64 {
    (delay.as_secs_f64() * 10.0).ceil() / 10.0
}

fn why_not(error: &Error) -> String {
    let named = error.metadata.get("integrationType");
    let named = named.map(|name| format!(" --type {name}"));
    format!(
        "'tokend policy explain{}' says why.",
        named.unwrap_or_default()
    )
}

fn of_call(error: &Error) -> Option<&'static str> {
    match error.reason {
        None if error.message.contains("UnknownIssuer") => Some(
            "The server's certificate is from nobody this machine trusts: --ca-file or TOKEND_CA_FILE names its \
             certificate authority.",
        ),
        None if error.code == Code::Unavailable => Some(
            "Is 'tokend serve' running there? --endpoint or TOKEND_ENDPOINT names another server.",
        ),
        Some(ErrorReason::CallerUnauthenticated) => Some(
            "Give an API key in TOKEND_API_KEY or with --api-key-file; 'tokend callers add NAME' makes one, which a \
             running server takes within seconds.",
        ),
        Some(ErrorReason::CallerNotAllowed) => Some(
            "'tokend policy explain --action ACTION' says why. If this needs an operator's key: 'tokend callers add NAME \
             --role operator' makes one.",
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
        let hint = of(&failed(Status::internal("it failed")), true).unwrap();
        assert!(hint.contains("log"), "{hint}");
        assert_eq!(of(&failed(Status::aborted("again")), true), None);
    }

    #[test]
    fn who_may_not_is_led_to_the_policies_and_operators_to_keys() {
        let mut error = Error::from(Status::permission_denied("no permission"));
        error.reason = Some(ErrorReason::CallerNotAllowed);
        let name = ("integrationType".to_owned(), "slack".to_owned());
        error.metadata = [name].into();
        let error = error.into();
        let of_a_backend = of(&error, false).unwrap();
        assert_eq!(
            of_a_backend,
            "'tokend policy explain --type slack' says why."
        );
        assert!(of(&error, true).unwrap().contains("--role operator"));
    }

    #[test]
    fn an_untrusted_server_is_not_looked_for() {
        let status = Status::unavailable("invalid peer certificate: UnknownIssuer");
        let hint = of(&Error::from(status).into(), true).unwrap();
        assert!(hint.contains("--ca-file"), "{hint}");
        assert!(!hint.contains("tokend serve"), "{hint}");
    }

    #[test]
    fn a_delay_is_told_and_never_too_short() {
        let again = |milliseconds| {
            let mut error = Error::from(Status::resource_exhausted("used up"));
            error.retry_delay = Some(Duration::from_millis(milliseconds));
            of(&error.into(), true).unwrap()
        };
        assert_eq!(again(400), "Try again in 0.4 s.");
        assert_eq!(again(401), "Try again in 0.5 s.");
    }
}
