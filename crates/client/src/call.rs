//! One call with its deadline and its retries.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tokio::time::{Instant, timeout_at};
use tonic::{
    Code, Request, Response, Status,
    metadata::{Ascii, MetadataValue},
};

use crate::{Error, interceptor::set_user_token};

/// Waits between two attempts grow from here to there; each is lengthened at random by up to itself, so that callers
/// which failed together do not come back together.
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// Deadlines are sent in at most 8 digits, clocks tick on their own.
const DEADLINE_ROUNDING: Duration = Duration::from_millis(10);

/// After which failures a call is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// After UNAVAILABLE: the call changes nothing, or the same thing once.
    WhenUnavailable,
    /// Only after UNAVAILABLE with a delay to wait, for then tokend itself says that nothing was done.
    WhenTold,
}

/// What a call is made with.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) timeout: Duration,
    pub(crate) user_token: Option<&'a MetadataValue<Ascii>>,
    pub(crate) repeat: Repeat,
}

impl Call<'_> {
    /// Sends the message until it is answered, fails for good or runs out of time. What is left of the time goes with
    /// each attempt as `grpc-timeout`.
    pub(crate) async fn send<Q, A, F, Fut>(&self, message: &Q, mut attempt: F) -> Result<A, Error>
    where
        Q: Clone,
        F: FnMut(Request<Q>) -> Fut,
        Fut: Future<Output = Result<Response<A>, Status>>,
    {
        let deadline = Instant::now() + self.timeout;
        let attempt = || {
            let mut request = Request::new(message.clone());
            request.set_timeout(deadline.saturating_duration_since(Instant::now()));
            if let Some(token) = self.user_token {
                set_user_token(&mut request, token);
            }
            let answer = attempt(request);
            async move {
                match timeout_at(deadline, answer).await {
                    Ok(Ok(answer)) => Ok(answer.into_inner()),
                    Ok(Err(status)) if !is_timeout(&status, deadline) => Err(status.into()),
                    _ => Err(Error::deadline_exceeded()),
                }
            }
        };
        let backoff = ExponentialBuilder::new()
            .with_min_delay(FIRST_DELAY)
            .with_max_delay(LONGEST_DELAY)
            .with_jitter()
            .without_max_times();
        attempt
            .retry(backoff)
            .when(|error| self.repeats_after(error))
            .adjust(|error, delay| {
                // Not before the server said, and not where the answer would come too late.
                let delay = delay? + error.retry_delay.unwrap_or_default();
                (Instant::now() + delay < deadline).then_some(delay)
            })
            .await
    }

    fn repeats_after(&self, error: &Error) -> bool {
        error.code == Code::Unavailable
            && (self.repeat == Repeat::WhenUnavailable || error.retry_delay.is_some())
    }
}

/// Whether the other side gave up because of the deadline that we sent: tonic's servers then answer CANCELLED, at a
/// moment that is the deadline but for rounding.
fn is_timeout(status: &Status, deadline: Instant) -> bool {
    status.code() == Code::Cancelled && Instant::now() + DEADLINE_ROUNDING >= deadline
}
