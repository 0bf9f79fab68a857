//! The ways in which an endpoint can be told to misbehave.

use std::time::Duration;

use serde::Serialize;

use crate::alteration::{Alteration, BodyChange};

/// An endpoint that can be told to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `POST /token`.
    Token,
    /// `POST /revoke`.
    Revoke,
    /// `GET /userinfo`.
    Userinfo,
}

/// One misbehaviour. "Processed" says whether the provider did what was asked (redeemed, rotated, revoked).
#[derive(Clone, Debug)]
pub enum Fault {
    /// Not processed; this is answered.
    Answer {
        /// HTTP status.
        status: u16,
        /// Header names and values.
        headers: Vec<(String, String)>,
        /// The body as it is.
        body: String,
    },
    /// Processed after a wait.
    Delay(Duration),
    /// Waits for [`Faults::release`](crate::Faults::release), then is processed.
    Hang,
    /// Processed, then the answer waits for [`Faults::release`](crate::Faults::release).
    HoldAnswer,
    /// Not processed; the connection is closed without an answer.
    Close,
    /// Processed; the connection is closed without an answer.
    LoseAnswer,
    /// Processed; the connection is closed in the middle of the answer.
    TruncateAnswer,
    /// Processed; the answer arrives byte by byte, this far apart.
    Drip(Duration),
    /// Processed; the answer carries this content type.
    Mislabel(String),
    /// The connection is reset (TCP RST) without an answer, after the request was processed or without that.
    Reset {
        /// Whether it was processed.
        processed: bool,
    },
    /// Processed; another answer leaves than the one that was made.
    Alter(Alteration),
}

impl Fault {
    /// A status with an empty body.
    pub fn status(status: u16) -> Self {
        Self::Answer {
            status,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// An OAuth error answer (RFC 6749 section 5.2), for example `error(400, "invalid_grant")`;
    /// with status 200 it is the kind of answer that only looks like success.
    pub fn error(status: u16, error: &str) -> Self {
        let body = serde_json::json!({ "error": error }).to_string();
        Self::body(status, "application/json", body)
    }

    /// 200 with an HTML page, as a maintenance page or a captive portal gives.
    pub fn html() -> Self {
        Self::body(
            200,
            "text/html",
            "<!doctype html><title>Back soon</title><p>Back soon".to_owned(),
        )
    }

    /// 429 with `Retry-After` in seconds.
    pub fn too_many_requests(retry_after: u64) -> Self {
        let headers = vec![("retry-after".to_owned(), retry_after.to_string())];
        Self::Answer {
            status: 429,
            headers,
            body: String::new(),
        }
    }

    /// 503 with `Retry-After` in seconds.
    pub fn unavailable(retry_after: u64) -> Self {
        let headers = vec![("retry-after".to_owned(), retry_after.to_string())];
        Self::Answer {
            status: 503,
            headers,
            body: String::new(),
        }
    }

    /// Processed, but this is answered, as by a gateway that gave up waiting.
    pub fn processed(status: u16, content_type: &str, body: &str) -> Self {
        Self::Alter(Alteration {
            status: Some(status),
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: BodyChange::Replace(body.as_bytes().to_vec()),
        })
    }

    /// Processed, and the answer lacks this member.
    pub fn without(member: &str) -> Self {
        Self::members(vec![(member.to_owned(), None)])
    }

    /// Processed, and this member of the answer has this value instead, as JSON text; it is not checked.
    pub fn with(member: &str, json: &str) -> Self {
        Self::members(vec![(member.to_owned(), Some(json.to_owned()))])
    }

    fn members(members: Vec<(String, Option<String>)>) -> Self {
        Self::Alter(Alteration {
            body: BodyChange::Members(members),
            ..Alteration::default()
        })
    }

    /// 302 to another place.
    pub fn redirect(location: &str) -> Self {
        let headers = vec![("location".to_owned(), location.to_owned())];
        Self::Answer {
            status: 302,
            headers,
            body: String::new(),
        }
    }

    /// 200 with a JSON string of this many bytes.
    pub fn huge_body(bytes: usize) -> Self {
        Self::body(
            200,
            "application/json",
            format!("\"{}\"", "x".repeat(bytes.saturating_sub(2))),
        )
    }

    /// Any status, content type and body.
    pub fn body(status: u16, content_type: &str, body: String) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self::Answer {
            status,
            headers,
            body,
        }
    }

    /// Its name in the ledger.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Answer { .. } => "answer",
            Self::Delay(_) => "delay",
            Self::Hang => "hang",
            Self::HoldAnswer => "hold_answer",
            Self::Close => "close",
            Self::LoseAnswer => "lose_answer",
            Self::TruncateAnswer => "truncate_answer",
            Self::Drip(_) => "drip",
            Self::Mislabel(_) => "mislabel",
            Self::Reset { .. } => "reset",
            Self::Alter(_) => "alter",
        }
    }
}
