//! What a refused renewal is worth trying again after.

use std::time::Duration;

use tokend_model::SILENCE;

use crate::Error;

/// What soon changes by itself, and is not said when.
const SHORTLY: Duration = Duration::from_secs(15);

/// What an operator has to change; nobody has to wait for that to be noticed, since callers renew at once.
const OPERATOR: Duration = Duration::from_secs(3600);

/// What a user has to change; connecting again sets a time of its own.
const USER: Duration = Duration::from_secs(86_400);

/// The same is not looked at again sooner.
const LEAST: Duration = Duration::from_secs(1);

/// How long to leave a connection alone whose renewal was refused, with a `roll` in 0..1; `None`: nobody knows better
/// than who took it. What is pressing is looked at as often as a silent holder might be taken over.
pub(super) fn wait_after(error: &Error, is_pressing: bool, roll: f64) -> Option<Duration> {
    let spread = |wait: Duration| wait.mul_f64(1.0 + roll);
    let wait = match error {
        Error::NotConnected { .. } | Error::ReauthorizationRequired { .. } => {
            return Some(spread(USER));
        }
        Error::ConnectorDisabled { .. } | Error::ConnectorNotFound { .. } => {
            return Some(spread(OPERATOR));
        }
        // These say when it may be presented again.
        Error::OutcomeUnknown { retry_after } | Error::GrantInDoubt { retry_after } => {
            return Some(LEAST.max(*retry_after));
        }
        Error::ProviderUnavailable { retry_after }
        | Error::ProviderRateLimited { retry_after }
        | Error::ProviderMisbehaved { retry_after }
        | Error::RefreshInProgress { retry_after } => LEAST.max(*retry_after),
        Error::ClientRejected { .. } | Error::JournalUnavailable => spread(SHORTLY),
        _ => return None,
    };
    Some(match is_pressing {
        true => wait.min(SILENCE),
        false => wait,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn after(error: &Error) -> [Option<u64>; 2] {
        [false, true]
            .map(|is_pressing| wait_after(error, is_pressing, 0.5).map(|wait| wait.as_secs()))
    }

    #[test]
    fn it_waits_as_long_as_the_refusal_holds() {
        let retry_after = MINUTE;
        for error in [
            Error::ProviderUnavailable { retry_after },
            Error::ProviderRateLimited { retry_after },
            Error::ProviderMisbehaved { retry_after },
            Error::RefreshInProgress { retry_after },
        ] {
            assert_eq!(after(&error), [Some(60), Some(8)], "{error:?}");
        }
        for error in [
            Error::OutcomeUnknown { retry_after },
            Error::GrantInDoubt { retry_after },
        ] {
            assert_eq!(after(&error), [Some(60), Some(60)], "{error:?}");
        }
        let at_once = Error::ProviderUnavailable {
            retry_after: Duration::from_millis(3),
        };
        assert_eq!(after(&at_once), [Some(1), Some(1)]);
    }

    #[test]
    fn what_a_person_has_to_change_is_looked_at_seldom() {
        let connector_id = || "calendar".to_owned();
        let disabled = Error::ConnectorDisabled {
            connector_id: connector_id(),
        };
        assert_eq!(after(&disabled), [Some(5400); 2]);
        let ended = Error::ReauthorizationRequired { connect: None };
        assert_eq!(after(&ended), [Some(129_600); 2]);
        let rejected = Error::ClientRejected {
            connector_id: connector_id(),
        };
        assert_eq!(after(&rejected), [Some(22), Some(8)]);
    }

    #[test]
    fn what_nobody_knows_about_keeps_its_time() {
        for error in [Error::StorageUnavailable, Error::Internal, Error::VendsOnly] {
            assert_eq!(after(&error), [None; 2], "{error:?}");
        }
    }
}
