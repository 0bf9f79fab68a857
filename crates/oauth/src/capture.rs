//! Values of providers' answers that belong in the connection config.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use tokend_catalog::{Capture, CaptureFrom, Definition, Pointer};
use tokend_model::ConnectionConfig;

/// The longest value that is captured, in bytes.
const MAX_CAPTURED: usize = 2048;

/// What the token endpoint's answer tells, its ID token included.
pub(crate) fn of_token_answer(definition: &Definition, answer: &Value) -> ConnectionConfig {
    let mut learned = told(definition, CaptureFrom::TokenAnswer, answer);
    if let Some(claims) = id_token_claims(answer) {
        learned.extend(told(definition, CaptureFrom::IdToken, &claims));
    }
    learned
}

/// What an answer of this kind tells.
pub(crate) fn told(definition: &Definition, from: CaptureFrom, answer: &Value) -> ConnectionConfig {
    definition
        .captures
        .iter()
        .filter(|capture| capture.from == from)
        .filter_map(|capture| Some((capture.name.clone(), value(capture, answer)?)))
        .collect()
}

/// The value that is captured, where there is one that matches.
pub(crate) fn value(capture: &Capture, answer: &Value) -> Option<String> {
    text(answer, &capture.pointer)
        .filter(|value| value.len() <= MAX_CAPTURED && capture.pattern.matches(value))
}

/// The text or number at a place.
pub(crate) fn text(answer: &Value, pointer: &Pointer) -> Option<String> {
    match answer.pointer(pointer.as_str())? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The claims of the ID token in an answer. It came straight from the token endpoint over TLS, which takes the place of
/// checking its signature (OpenID Connect Core section 3.1.3.7, item 6); nobody is let in on the strength of it.
fn id_token_claims(answer: &Value) -> Option<Value> {
    let token = answer.get("id_token")?.as_str()?;
    let payload = token.split('.').nth(1)?;
    let claims = BASE64_URL_SAFE_NO_PAD
        .decode(payload.trim_end_matches('='))
        .ok()?;
    serde_json::from_slice(&claims).ok()
}
