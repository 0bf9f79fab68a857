//! Deadlines: no call takes longer than its caller or the configuration allows, and one that would is told so in the
//! error model's words. What it began, such as renewing a token, goes on.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::status;

/// Answers just before the caller's own deadline, so that the answer arrives.
const HEAD_START: Duration = Duration::from_millis(20);

/// Ends calls in time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeadlineLayer {
    /// For calls that bring no deadline, or a later one.
    pub(crate) longest: Duration,
}

/// A service whose calls end in time.
#[derive(Debug, Clone)]
pub(crate) struct Deadline<S> {
    inner: S,
    longest: Duration,
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Deadline {
            inner,
            longest: self.longest,
        }
    }
}

impl<S> Service<Request<Body>> for Deadline<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let asked = of_caller(request.headers());
        let deadline = asked
            .map(|asked| asked.saturating_sub(HEAD_START.min(asked / 10)))
            .map_or(self.longest, |asked| asked.min(self.longest));
        let call = self.inner.call(request);
        Box::pin(async move {
            match tokio::time::timeout(deadline, call).await {
                Ok(answer) => answer,
                Err(_) => Ok(status::deadline_exceeded().into_http()),
            }
        })
    }
}

/// The deadline a caller sent: at most eight digits and a unit, from hours to nanoseconds (gRPC over HTTP/2).
fn of_caller(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_deadline_is_read() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().expect("a header"));
            of_caller(&headers)
        };
        assert_eq!(read("5S"), Some(Duration::from_secs(5)));
        assert_eq!(
            read("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3600))
        );
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        for wrong in ["", "S", "5", "5x", "-5S", "999999999S", "1.5S"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
