//! One HTTP call to a provider: sent once, followed nowhere, bounded in time and size, with failures told apart by
//! whether the request can have been carried out.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::header;
use reqwest::{Client, Request, Response};
use tokend_catalog::Errors;
use tokend_model::ports::Clock;
use tokend_model::{RawTokenAnswer, Timestamp, TokenFailure, TokenFailureKind};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::OAuthOptions;
use crate::egress::{EgressGuard, Refused};
use crate::failure::{by_status, failure};
use crate::http_client::{HttpClientUnavailable, http_client};

/// How long an answer that may have arrived in time is still looked for when the time is over.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// The HTTP client with its bounds.
pub(crate) struct Transport {
    client: Client,
    guard: EgressGuard,
    timeout: Duration,
    max_body: usize,
    clock: Arc<dyn Clock>,
}

impl Transport {
    pub(crate) fn new(
        options: &OAuthOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, HttpClientUnavailable> {
        let guard = EgressGuard::new(options);
        Ok(Self {
            client: http_client(options, guard.clone())?,
            guard,
            timeout: options.timeout,
            max_body: options.max_body,
            clock,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The longest a call may take, and all tries of one together.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends the request once and takes in the answer up to the cap, unless its status says all there is to know.
    pub(crate) async fn send(
        &self,
        request: Request,
        errors: &Errors,
    ) -> Result<RawTokenAnswer, TokenFailure> {
        self.send_within(self.timeout, request, errors).await
    }

    /// The same, in this time.
    pub(crate) async fn send_within(
        &self,
        time: Duration,
        request: Request,
        errors: &Errors,
    ) -> Result<RawTokenAnswer, TokenFailure> {
        self.guard
            .check(request.url())
            .map_err(|refused| failure(TokenFailureKind::NotSent, refused.0))?;
        let mut exchange = std::pin::pin!(self.exchange(request, errors));
        match timeout(time, exchange.as_mut()).await {
            Ok(ended) => ended,
            // A process that was stopped finds its time over before it has looked at what arrived meanwhile.
            Err(_) => timeout(LAST_LOOK, exchange).await.unwrap_or_else(|_| {
                Err(failure(
                    TokenFailureKind::Ambiguous,
                    "no whole answer in time",
                ))
            }),
        }
    }

    async fn exchange(
        &self,
        request: Request,
        errors: &Errors,
    ) -> Result<RawTokenAnswer, TokenFailure> {
        let response = self
            .client
            .execute(request)
            .await
            .map_err(|error| unanswered(&error))?;
        let status = response.status().as_u16();
        if let Some(failure) = by_status(status, response.headers(), self.clock.now(), errors) {
            return Err(failure);
        }
        let content_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        Ok(RawTokenAnswer {
            status,
            content_type,
            body: self.read_body(response).await?,
            receive_time: self.clock.now(),
        })
    }

    async fn read_body(&self, mut response: Response) -> Result<Zeroizing<Vec<u8>>, TokenFailure> {
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| unanswered(&error))? {
            if body.len() + chunk.len() > self.max_body {
                return Err(failure(
                    TokenFailureKind::Garbage,
                    format!("an answer of more than {} bytes", self.max_body),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// The class of a call without a whole answer. The error's own text holds the URL and is not used.
fn unanswered(error: &reqwest::Error) -> TokenFailure {
    if error.is_builder() {
        return failure(TokenFailureKind::NotSent, "the request could not be built");
    }
    if !error.is_connect() {
        return failure(
            TokenFailureKind::Ambiguous,
            "the connection broke before a whole answer",
        );
    }
    let detail = match refusal(error) {
        Some(refused) => refused.0,
        None if error.is_dns() => "the host's name could not be resolved",
        None if error.is_timeout() => "no connection in time",
        None => "no connection: refused, or TLS failed",
    };
    failure(TokenFailureKind::NotSent, detail)
}

fn refusal(error: &reqwest::Error) -> Option<Refused> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return Some(*refused);
        }
        source = cause.source();
    }
    None
}
