//! The tolerant reading of a token answer into what RFC 6749 section 5.1 would have had it say.

use std::collections::BTreeMap;

use http::HeaderMap;
use oauth2::ExtraTokenFields;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokend_catalog::{Answer, Capture, Definition};
use tokend_model::{RawTokenAnswer, Timestamp, TokenFailure, TokenFailureKind};

use crate::body::read_object;
use crate::failure::{by_body, by_status, failure};

/// Ten years: the longest life that is believed, so that no time overflows.
const MAX_LIFETIME_SECONDS: u64 = 315_360_000;

/// The longest value that is captured, in bytes.
const MAX_CAPTURED: usize = 2048;

/// A token answer as the standard has it. No Debug: it holds tokens.
#[derive(Serialize)]
pub(crate) struct StandardAnswer {
    pub(crate) access_token: String,
    /// Needed by the oauth2 crate; the scheme as it was said is in `beyond`.
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
    #[serde(flatten)]
    pub(crate) beyond: Beyond,
}

/// What a token answer holds beyond the oauth2 crate's own fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Beyond {
    /// How the token is sent.
    pub(crate) scheme: String,
    /// The granted scopes, where they are told.
    pub(crate) granted: Option<Vec<String>>,
    /// Seconds that the refresh token has left.
    pub(crate) refresh_expires_in: Option<u64>,
    /// Values for the connection config.
    pub(crate) captured: BTreeMap<String, String>,
    /// When the answer's last byte arrived.
    pub(crate) receive_time: Timestamp,
}

impl ExtraTokenFields for Beyond {}

/// Reads a token answer, or says why it is none. Whatever was recorded is read: a status that says enough by itself, too.
pub(crate) fn read(
    definition: &Definition,
    layout: &Answer,
    raw: &RawTokenAnswer,
) -> Result<StandardAnswer, TokenFailure> {
    if let Some(failure) = by_status(raw.status, &HeaderMap::new(), raw.receive_time) {
        return Err(failure);
    }
    let object = read_object(raw.content_type.as_deref(), &raw.body);
    let unauthorized = TokenFailureKind::ClientRejected;
    if let Some(failure) = by_body(
        raw.status,
        object.as_ref(),
        &definition.errors,
        unauthorized,
    ) {
        return Err(failure);
    }
    let garbage = |detail| failure(TokenFailureKind::Garbage, detail);
    let object = object.ok_or_else(|| garbage("neither a JSON object nor a form"))?;
    let token = object
        .pointer(layout.root.as_str())
        .ok_or_else(|| garbage("no object with a token"))?;
    let access_token = token
        .get("access_token")
        .and_then(usable_token)
        .ok_or_else(|| garbage("no usable access_token"))?;
    let seconds = |member: &str| token.get(member).and_then(lifetime);
    Ok(StandardAnswer {
        access_token,
        token_type: "bearer",
        expires_in: seconds("expires_in"),
        refresh_token: token.get("refresh_token").and_then(usable_token),
        beyond: Beyond {
            scheme: scheme(definition, token),
            granted: token.get("scope").and_then(scopes),
            refresh_expires_in: definition
                .token
                .refresh_expires_in
                .as_deref()
                .and_then(seconds),
            captured: captured(&definition.captures, &object),
            receive_time: raw.receive_time,
        },
    })
}

/// A token that can travel in a header: printable ASCII without spaces (RFC 6750 section 2.1 allows less). Anything else
/// under a refresh token's name is no successor to a good one.
fn usable_token(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(str::to_owned)
}

/// Seconds as number or text. Zero and less are said by providers whose tokens do not run out, or by mistake: a token
/// just issued is not at its end, so they tell nothing.
fn lifetime(value: &Value) -> Option<u64> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    if !seconds.is_finite() || seconds < 1.0 {
        return None;
    }
    // The cast saturates.
    Some((seconds as u64).min(MAX_LIFETIME_SECONDS))
}

/// The scopes of a text separated by spaces or commas, or of an array. None at all tell nothing: apps whose rights are
/// not scopes get an empty text.
fn scopes(value: &Value) -> Option<Vec<String>> {
    let separate = |text: &str| -> Vec<String> {
        text.split(|c: char| c.is_whitespace() || c == ',')
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let scopes: Vec<String> = match value {
        Value::String(text) => separate(text),
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_str)
            .flat_map(separate)
            .collect(),
        _ => return None,
    };
    (!scopes.is_empty()).then_some(scopes)
}

fn scheme(definition: &Definition, token: &Value) -> String {
    let told = token.get("token_type").and_then(Value::as_str);
    let scheme = definition
        .token
        .token_type
        .as_deref()
        .or(told)
        .unwrap_or("Bearer");
    let is_scheme = (1..=32).contains(&scheme.len())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_scheme || scheme.eq_ignore_ascii_case("bearer") {
        "Bearer".to_owned()
    } else {
        scheme.to_owned()
    }
}

fn captured(captures: &[Capture], object: &Value) -> BTreeMap<String, String> {
    captures
        .iter()
        .filter_map(|capture| {
            let value = match object.pointer(capture.pointer.as_str())? {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return None,
            };
            let fits = value.len() <= MAX_CAPTURED && capture.pattern.matches(&value);
            fits.then(|| (capture.name.clone(), value))
        })
        .collect()
}
