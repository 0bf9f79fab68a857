//! Reading answers: errors with their reason, and conditions that come true in time.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use tonic::{Code, Status};

use crate::reason;

/// How long anything here may take to come true.
const DEADLINE: Duration = Duration::from_secs(20);
/// Between two looks at it.
const INTERVAL: Duration = Duration::from_millis(20);

/// The error of a call, which must have this code and reason.
#[track_caller]
pub fn refused<T: Debug>(answer: Result<T, Status>, code: Code, because: &str) -> Status {
    let status = answer.expect_err(because);
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (code, because),
        "{status:?}"
    );
    status
}

/// Waits until asking gives an answer; a test whose condition does not come true fails.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < DEADLINE, "in vain: {what}");
        tokio::time::sleep(INTERVAL).await;
    }
}
