//! Reading answers: errors with their details, and conditions that come true in time.

use std::time::Duration;

use tonic::Status;
use tonic_types::StatusExt;

pub(crate) use tokend_tests::{eventually, refused};

/// The fields that an error calls wrong, with what it says of them.
pub(crate) fn violations(status: &Status) -> Vec<(String, String)> {
    let fields = status
        .get_details_bad_request()
        .map(|bad| bad.field_violations)
        .unwrap_or_default();
    fields
        .into_iter()
        .map(|violation| (violation.field, violation.description))
        .collect()
}

/// The URL that an error sends the user to.
pub(crate) fn help_url(status: &Status) -> Option<String> {
    let help = status.get_details_help()?;
    help.links.first().map(|link| link.url.clone())
}

/// How long an error says to wait.
pub(crate) fn retry_delay(status: &Status) -> Option<Duration> {
    status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay)
}
