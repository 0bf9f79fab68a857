//! What went wrong in a provider's answer, in our own words: nothing of its body gets out, save an error code that
//! looks like one.

use std::time::Duration;

use http::{HeaderMap, header};
use serde_json::{Number, Value};
use tokend_catalog::{ErrorMeaning, Errors};
use tokend_model::{Timestamp, TokenFailure, TokenFailureKind};

/// A failure without a wish of the provider's to wait.
pub(crate) fn failure(kind: TokenFailureKind, detail: impl Into<String>) -> TokenFailure {
    TokenFailure {
        kind,
        detail: detail.into(),
        retry_after: None,
    }
}

/// The failures that a status alone tells, before any body is read: those of which the definition says nothing.
pub(crate) fn by_status(
    status: u16,
    headers: &HeaderMap,
    now: Timestamp,
    errors: &Errors,
) -> Option<TokenFailure> {
    if by_definition(status, errors).is_some() {
        return None;
    }
    let retry_after = retry_after(headers, now);
    let kind = match status {
        429 => TokenFailureKind::RateLimited,
        503 if retry_after.is_some() => TokenFailureKind::RateLimited,
        300..=399 => TokenFailureKind::RequestRejected,
        // No end of an answer, a timeout of the provider's own, a conflict with another call, a failure midway.
        ..200 | 408 | 409 | 500.. => TokenFailureKind::Ambiguous,
        _ => return None,
    };
    Some(TokenFailure {
        kind,
        detail: format!("status {status}"),
        retry_after,
    })
}

/// The failure that an answer reports in its body or status, if it does. `unauthorized` is what a 401 without a
/// known code means: it depends on what the request proved itself with.
pub(crate) fn by_body(
    status: u16,
    body: Option<&Value>,
    errors: &Errors,
    unauthorized: TokenFailureKind,
) -> Option<TokenFailure> {
    let report = body.map_or(Report::Nothing, |body| report(body, errors));
    let not_ok = match (&errors.ok, body) {
        (Some(pointer), Some(body)) => body.pointer(pointer.as_str()) != Some(&Value::Bool(true)),
        _ => false,
    };
    let is_success = (200..300).contains(&status);
    let code = match report {
        Report::Nothing if is_success && !not_ok => return None,
        Report::Code(code) => Some(code),
        Report::Nothing | Report::Unnamed => None,
    };
    let meant = code.as_deref().and_then(|code| meaning(code, errors));
    let kind = match meant.or_else(|| by_definition(status, errors)) {
        Some(kind) => kind,
        None if status == 401 => unauthorized,
        // Something is wrong, but not said what: the grant may have been spent.
        None if is_success && code.is_none() => TokenFailureKind::Garbage,
        None => TokenFailureKind::RequestRejected,
    };
    let shown = code.filter(|code| errors.codes.contains_key(code) || looks_like_code(code));
    Some(failure(
        kind,
        match shown {
            Some(code) => format!("{code} (status {status})"),
            None => format!("status {status}"),
        },
    ))
}

/// The error code that a body reports.
pub(crate) fn reported_code(body: &Value, errors: &Errors) -> Option<String> {
    match report(body, errors) {
        Report::Code(code) => Some(code),
        Report::Nothing | Report::Unnamed => None,
    }
}

/// What a body says about an error.
enum Report {
    Nothing,
    /// There is one, without a code.
    Unnamed,
    Code(String),
}

/// Looks where the definition says, then where RFC 6749 section 5.2 does; there, some have an object with the code in it.
fn report(body: &Value, errors: &Errors) -> Report {
    let error = body.get("error");
    let inner = error.and_then(|error| error.get("code"));
    let named = errors
        .code
        .iter()
        .filter_map(|pointer| body.pointer(pointer.as_str()))
        .chain(error)
        .chain(inner)
        .find_map(code);
    match (named, error) {
        (Some(code), _) if Some(&code) == errors.success_code.as_ref() => Report::Nothing,
        (Some(code), _) => Report::Code(code),
        (None, None | Some(Value::Null | Value::Bool(false))) => Report::Nothing,
        (None, Some(Value::String(empty))) if empty.is_empty() => Report::Nothing,
        (None, Some(Value::Number(code))) if is_zero(code) => Report::Nothing,
        (None, Some(_)) => Report::Unnamed,
    }
}

fn code(value: &Value) -> Option<String> {
    match value {
        Value::String(code) if !code.is_empty() => Some(code.clone()),
        Value::Number(code) if !is_zero(code) => Some(code.to_string()),
        _ => None,
    }
}

/// Who numbers errors counts from one; zero stands for none.
fn is_zero(code: &Number) -> bool {
    code.as_i64() == Some(0)
}

fn by_definition(status: u16, errors: &Errors) -> Option<TokenFailureKind> {
    // Most have none.
    if errors.statuses.is_empty() {
        return None;
    }
    errors.statuses.get(&status.to_string()).copied().map(kind)
}

fn kind(meaning: ErrorMeaning) -> TokenFailureKind {
    match meaning {
        ErrorMeaning::GrantRejected => TokenFailureKind::GrantRejected,
        ErrorMeaning::ClientRejected => TokenFailureKind::ClientRejected,
        ErrorMeaning::RequestRejected => TokenFailureKind::RequestRejected,
        ErrorMeaning::RateLimited => TokenFailureKind::RateLimited,
        ErrorMeaning::Ambiguous => TokenFailureKind::Ambiguous,
    }
}

/// RFC 6749 section 5.2, RFC 6750 section 3.1 and the definition's own codes before them.
fn meaning(code: &str, errors: &Errors) -> Option<TokenFailureKind> {
    if let Some(meaning) = errors.codes.get(code) {
        return Some(kind(*meaning));
    }
    match code {
        "invalid_grant" | "invalid_token" => Some(TokenFailureKind::GrantRejected),
        "invalid_client" | "unauthorized_client" => Some(TokenFailureKind::ClientRejected),
        "invalid_request" | "invalid_scope" | "insufficient_scope" | "unsupported_grant_type" => {
            Some(TokenFailureKind::RequestRejected)
        }
        "server_error" | "temporarily_unavailable" => Some(TokenFailureKind::Ambiguous),
        _ => None,
    }
}

/// Lower-case words joined by underscores, as all codes of the RFCs are, or a short number; a token echoed back does not
/// look like that.
fn looks_like_code(code: &str) -> bool {
    let is_number = code.len() <= 6 && code.parse::<u32>().is_ok();
    is_number
        || code.len() <= 40
            && code.split('_').all(|word| {
                (1..=16).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase())
            })
}

/// Seconds or an HTTP date (RFC 9110 section 10.2.3); a date that has passed is no wait.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = httpdate::parse_http_date(value).ok()?;
    Some(time.duration_since(now.into()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn wait(value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_str(value).ok()?);
        // 2027-01-15 08:00:00 UTC, a Friday.
        let now = chrono::DateTime::from_timestamp(1_800_000_000, 0)?;
        retry_after(&headers, now)
    }

    #[test]
    fn waits_are_seconds_or_dates() {
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(
            wait("Fri, 15 Jan 2027 08:00:30 GMT"),
            Some(Duration::from_secs(30))
        );
        assert_eq!(wait("Fri, 15 Jan 2027 07:00:00 GMT"), Some(Duration::ZERO));
        for nonsense in ["-1", "soon", "1.5", ""] {
            assert_eq!(wait(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn statuses_speak_first() {
        let mut later = HeaderMap::new();
        later.insert(header::RETRY_AFTER, HeaderValue::from_static("7"));
        let now = chrono::DateTime::UNIX_EPOCH;
        let kind = |status: u16, headers: &HeaderMap| {
            by_status(status, headers, now, &Errors::default()).map(|failure| failure.kind)
        };
        let none = HeaderMap::new();
        for (status, expected) in [
            (101, Some(TokenFailureKind::Ambiguous)),
            (200, None),
            (400, None),
            (401, None),
            (301, Some(TokenFailureKind::RequestRejected)),
            (307, Some(TokenFailureKind::RequestRejected)),
            (408, Some(TokenFailureKind::Ambiguous)),
            (409, Some(TokenFailureKind::Ambiguous)),
            (429, Some(TokenFailureKind::RateLimited)),
            (500, Some(TokenFailureKind::Ambiguous)),
            (502, Some(TokenFailureKind::Ambiguous)),
            (503, Some(TokenFailureKind::Ambiguous)),
            (504, Some(TokenFailureKind::Ambiguous)),
        ] {
            assert_eq!(kind(status, &none), expected, "{status}");
        }
        assert_eq!(kind(503, &later), Some(TokenFailureKind::RateLimited));
    }

    #[test]
    fn only_codes_look_like_codes() {
        for code in ["invalid_grant", "bad_refresh_token", "ratelimited", "190"] {
            assert!(looks_like_code(code), "{code}");
        }
        for other in [
            "",
            "_",
            "Invalid",
            "a1b2",
            "1234567",
            "abcdefghijklmnopqrstuvwxyz",
            "two words",
            "a__b",
        ] {
            assert!(!looks_like_code(other), "{other}");
        }
    }
}
