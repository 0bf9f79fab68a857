//! What a call failed with, read from the `google.rpc` details that tokend sends.

use std::{collections::HashMap, time::Duration};

use tokend_api::{ERROR_DOMAIN, v1::ErrorReason};
use tonic::{Code, Status, TimeoutExpired};
use tonic_types::StatusExt;

/// Why a call failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message} ({code:?}{})", self.reason.map(|reason| format!(", {}", reason.reason())).unwrap_or_default())]
pub struct Error {
    /// The gRPC code; fall back on it where the reason is not known.
    pub code: Code,
    /// tokend's reason. Absent where the error is not tokend's, or newer than this crate.
    pub reason: Option<ErrorReason>,
    /// What happened, for a person to read. It carries no secret.
    pub message: String,
    /// How long to wait before trying again; present where that helps.
    pub retry_delay: Option<Duration>,
    /// Where to send the user whose consent is missing, if `connect_return_url` was given.
    pub help_url: Option<String>,
    /// What goes with the reason, such as `connectionId`; see [`ErrorReason`].
    pub metadata: HashMap<String, String>,
}

impl Error {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: None,
            message: message.into(),
            retry_delay: None,
            help_url: None,
            metadata: HashMap::new(),
        }
    }

    pub(crate) fn deadline_exceeded() -> Self {
        Self::new(
            Code::DeadlineExceeded,
            "the deadline of the call has passed",
        )
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        // tonic reports a deadline that passes on this side as CANCELLED.
        let source = std::error::Error::source(&status);
        if source.is_some_and(|source| source.is::<TimeoutExpired>()) {
            return Self::deadline_exceeded();
        }
        // Only a status that was made on this side has a source: the connection broke, whatever tonic calls it.
        let code = match source {
            Some(_) => Code::Unavailable,
            None => status.code(),
        };
        let details = status.get_error_details();
        let info = details
            .error_info()
            .filter(|info| info.domain == ERROR_DOMAIN);
        let help = details.help().and_then(|help| help.links.first());
        Self {
            code,
            reason: info.and_then(|info| ErrorReason::from_reason(&info.reason)),
            message: status.message().to_owned(),
            retry_delay: details.retry_info().and_then(|retry| retry.retry_delay),
            help_url: help.map(|link| link.url.clone()),
            metadata: info.map(|info| info.metadata.clone()).unwrap_or_default(),
        }
    }
}

impl From<tonic::transport::Error> for Error {
    fn from(error: tonic::transport::Error) -> Self {
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            let text = error.to_string();
            // Some of the transport's errors tell their source's text as their own.
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            source = error.source();
        }
        Self::new(Code::Unavailable, message)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tonic::transport::Endpoint;

    use super::*;

    #[tokio::test]
    async fn why_nobody_is_reached_is_told_once() {
        // Bound and let go of again: nobody listens there now.
        let nobody = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{nobody}")).unwrap();
        let error = Error::from(endpoint.connect().await.unwrap_err());
        assert_eq!(error.code, Code::Unavailable);
        assert_eq!(error.message.matches("connect error").count(), 1, "{error}");
        assert_eq!(error.message.matches("refused").count(), 1, "{error}");
    }
}
