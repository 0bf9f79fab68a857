//! The tolerant reading of a token answer into what RFC 6749 section 5.1 would have had it say. It calls nobody.

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use serde_json::Value;
use tokend_catalog::{Answer, Definition, RenewedWith, WithoutExpiresIn};
use tokend_model::{
    Expiry, GrantType, RawTokenAnswer, Secret, Timestamp, TokenAnswer, TokenFailure,
    TokenFailureKind,
};

use crate::body::read_json;
use crate::capture;
use crate::failure::{by_body, by_status, failure};

/// Ten years: the longest life that is believed, so that no time overflows.
const MAX_LIFETIME_SECONDS: u32 = 315_360_000;

/// Reads the answer that makes a connection: the main token, and those that came with it.
pub(crate) fn read_first(
    definition: &Definition,
    raw: &RawTokenAnswer,
) -> Result<TokenAnswer, TokenFailure> {
    let object = read_success(definition, raw)?;
    let token = definition.token.as_ref().ok_or_else(no_token_endpoint)?;
    let read = |layout| token_at(definition, layout, &object, raw.receive_time);
    let mut answer = read(&token.answer)?;
    answer.captured = capture::of_token_answer(definition, &object);
    answer.others = token
        .other
        .iter()
        .filter_map(|other| Some((other.name.clone(), read(&other.answer).ok()?)))
        .collect();
    Ok(answer)
}

/// Reads the answer to a renewal of this token; the empty name is the main one's.
pub(crate) fn read_renewal(
    definition: &Definition,
    name: &str,
    raw: &RawTokenAnswer,
) -> Result<TokenAnswer, TokenFailure> {
    let object = read_success(definition, raw)?;
    let token = definition.token.as_ref().ok_or_else(no_token_endpoint)?;
    if name.is_empty() {
        let layout = match definition.grant_type() {
            GrantType::AuthorizationCode => &definition.refresh.answer,
            // The request is the first one again, and so is the answer.
            _ => &token.answer,
        };
        let mut answer = token_at(definition, layout, &object, raw.receive_time)?;
        answer.captured = capture::of_token_answer(definition, &object);
        return Ok(answer);
    }
    let mut others = token.other.iter();
    let other = others
        .find(|other| other.name == name)
        .ok_or_else(|| garbage("the integration type has no token of this name"))?;
    token_at(definition, &other.refresh_answer, &object, raw.receive_time)
}

/// Reads the token that stands in an object where the layout says.
pub(crate) fn token_at(
    definition: &Definition,
    layout: &Answer,
    object: &Value,
    receive_time: Timestamp,
) -> Result<TokenAnswer, TokenFailure> {
    let root = match layout.root.as_slice() {
        [] => Some(object),
        roots => roots
            .iter()
            .filter_map(|root| object.pointer(root.as_str()))
            .find(|root| root.is_object()),
    };
    let root = root.ok_or_else(|| garbage("no object with a token"))?;
    let token = definition.token.as_ref();
    let access_token = root
        .get(&layout.access_token)
        .and_then(usable_token)
        .ok_or_else(|| garbage("no usable access token"))?;
    let told = root.get(&layout.refresh_token).and_then(usable_token);
    let after = |member: &str| {
        let seconds = lifetime(root.get(member)?)?;
        receive_time.checked_add_signed(TimeDelta::seconds(seconds.into()))
    };
    let end = layout
        .expires_at
        .as_ref()
        .and_then(|member| end(root.get(member)?, receive_time))
        .or_else(|| after(&layout.expires_in));
    let without = match token.map(|token| token.without_expires_in) {
        Some(WithoutExpiresIn::Never) => Expiry::Never,
        Some(WithoutExpiresIn::Unknown) | None => Expiry::Unknown,
    };
    Ok(TokenAnswer {
        token_type: scheme(definition, root),
        refresh_token: renewed_with(definition, &access_token, told),
        access_token,
        expiry: end.map_or(without, Expiry::At),
        refresh_expire_time: token
            .and_then(|token| token.refresh_expires_in.as_deref())
            .and_then(after),
        scopes: root
            .get(&layout.scope)
            .and_then(scopes)
            .map(|told| granted(definition, told)),
        captured: Default::default(),
        receive_time,
        others: Default::default(),
    })
}

/// The answer's object, where it reports no error. Whatever was recorded is read: a status that says enough by itself,
/// too.
pub(crate) fn read_success(
    definition: &Definition,
    raw: &RawTokenAnswer,
) -> Result<Value, TokenFailure> {
    let errors = &definition.errors;
    if let Some(failure) = by_status(raw.status, &HeaderMap::new(), raw.receive_time, errors) {
        return Err(failure);
    }
    let object = read_json(raw.content_type.as_deref(), &raw.body);
    let unauthorized = TokenFailureKind::ClientRejected;
    if let Some(failure) = by_body(raw.status, object.as_ref(), errors, unauthorized) {
        return Err(failure);
    }
    object
        .filter(Value::is_object)
        .ok_or_else(|| garbage("neither a JSON object nor a form"))
}

/// What renews the token. Where that is nothing the provider gave, something has to stand in its place: what has a
/// refresh token is renewed, on the one path there is, and [`crate::refresh`] knows what is meant. For client
/// credentials and JWT bearer it is the grant's name, never sent; the subject token of an exchange is not in the answer
/// and stays as it is.
fn renewed_with(
    definition: &Definition,
    access_token: &Secret,
    told: Option<Secret>,
) -> Option<Secret> {
    match (definition.grant_type(), definition.refresh.with) {
        (GrantType::ClientCredentials, _) => Some(Secret::new("client_credentials")),
        (GrantType::JwtBearer, _) => Some(Secret::new("jwt_bearer")),
        (GrantType::TokenExchange | GrantType::Static, _) => None,
        (GrantType::AuthorizationCode, RenewedWith::AccessToken) => Some(access_token.clone()),
        (GrantType::AuthorizationCode, RenewedWith::RefreshToken) => told,
    }
}

/// A token that can travel in a header: printable ASCII without spaces (RFC 6750 section 2.1 allows less). Anything else
/// under a refresh token's name is no successor to a good one.
fn usable_token(value: &Value) -> Option<Secret> {
    value
        .as_str()
        .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(Secret::new)
}

/// Seconds as number or text. Zero and less are said by providers whose tokens do not run out, or by mistake: a token
/// just issued is not at its end, so they tell nothing.
fn lifetime(value: &Value) -> Option<u32> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    if !seconds.is_finite() || seconds < 1.0 {
        return None;
    }
    // The cast saturates.
    Some((seconds as u32).min(MAX_LIFETIME_SECONDS))
}

/// A time in RFC 3339; one that has passed tells nothing, as above.
fn end(value: &Value, receive_time: Timestamp) -> Option<Timestamp> {
    let end = DateTime::parse_from_rfc3339(value.as_str()?.trim()).ok()?;
    let end = end.with_timezone(&Utc);
    let latest =
        receive_time.checked_add_signed(TimeDelta::seconds(MAX_LIFETIME_SECONDS.into()))?;
    (end > receive_time).then(|| end.min(latest))
}

/// The scopes told, and those that the provider does not tell under the name they are asked for with.
fn granted(definition: &Definition, mut told: Vec<String>) -> Vec<String> {
    let renamed = definition
        .scopes_reported_as
        .iter()
        .filter(|(_, reported)| told.contains(reported))
        .map(|(asked, _)| asked);
    let implied: Vec<_> = renamed
        .chain(&definition.scopes_unreported)
        .filter(|scope| !told.contains(scope))
        .cloned()
        .collect();
    told.extend(implied);
    told
}

/// The scopes of a text separated by spaces or commas, of a list, or of an object of names and levels. None at all tell
/// nothing: apps whose rights are not scopes get an empty text.
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
        Value::Object(levels) => levels
            .iter()
            .filter_map(|(name, level)| Some(format!("{name}:{}", level.as_str()?)))
            .collect(),
        _ => return None,
    };
    (!scopes.is_empty()).then_some(scopes)
}

fn scheme(definition: &Definition, root: &Value) -> String {
    let fixed = definition.token.as_ref();
    let fixed = fixed.and_then(|token| token.token_type.as_deref());
    let told = root.get("token_type").and_then(Value::as_str);
    let scheme = fixed.or(told).unwrap_or("Bearer");
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

fn garbage(detail: &str) -> TokenFailure {
    failure(TokenFailureKind::Garbage, detail)
}

fn no_token_endpoint() -> TokenFailure {
    garbage("the integration type has no token endpoint")
}
