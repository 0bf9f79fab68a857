//! Reading answers: errors with their details, and conditions that come true in time.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use tokend_tests::reason;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// How long anything here may take to come true.
const DEADLINE: Duration = Duration::from_secs(20);
/// Between two looks at it.
const INTERVAL: Duration = Duration::from_millis(20);

/// The error of a call, which must have this code and reason.
#[track_caller]
pub(crate) fn refused<T: Debug>(answer: Result<T, Status>, code: Code, because: &str) -> Status {
    let status = answer.expect_err(because);
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (code, because),
        "{status:?}"
    );
    status
}

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

/// Waits until asking gives an answer; a test whose condition does not come true fails.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < DEADLINE, "in vain: {what}");
        tokio::time::sleep(INTERVAL).await;
    }
}
