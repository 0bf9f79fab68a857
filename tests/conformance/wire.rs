//! A request as a provider receives it, and an answer; told to people without the values that may be secret.

use std::{collections::BTreeMap, fmt};

use axum::{
    body::Body,
    http::{HeaderMap, Response, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use url::form_urlencoded;

use crate::dialect::{Encoding, Said};

/// What may be shown of a request's parameters: values that are the same for everybody.
const SHOWN: [&str; 10] = [
    "grant_type",
    "response_type",
    "scope",
    "user_scope",
    "code_challenge_method",
    "redirect_uri",
    "client_id",
    "client_key",
    "expires_in",
    "token_type_hint",
];

/// One request.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// The parameters of a request; a JSON body keeps the kinds of its values.
pub(crate) type Params = BTreeMap<String, Value>;

/// One answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Request {
    /// Where it went, without the query.
    pub(crate) fn url(&self) -> String {
        format!("https://{}{}", self.host, self.path)
    }

    /// A header's value; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The id and secret of HTTP Basic, decoded as RFC 6749 section 2.3.1 has them.
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        let encoded = self.header("authorization").strip_prefix("Basic ")?;
        let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        Some((decoded(id)?, decoded(secret)?))
    }

    /// The bearer token.
    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header("authorization").strip_prefix("Bearer ")
    }

    /// The parameters, from where such a request has them: in one of these encodings, and never twice. `own_query` is
    /// what the endpoint's URL has for itself.
    pub(crate) fn params(&self, own_query: &str, encodings: &[Encoding]) -> Result<Params, String> {
        let mut query = pairs(self.query.as_bytes())?;
        for (name, value) in pairs(own_query.as_bytes())? {
            if query.remove(&name) != Some(value) {
                return Err(format!("the query has another {name} than the endpoint"));
            }
        }
        let content_type = self.header(header::CONTENT_TYPE.as_str());
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let (encoding, params) = match (essence, self.body.is_empty()) {
            (_, true) => (Encoding::Query, std::mem::take(&mut query)),
            ("application/x-www-form-urlencoded", _) => (Encoding::Form, pairs(&self.body)?),
            ("application/json", _) => (Encoding::Json, self.members()?),
            (other, _) => return Err(format!("a body of type {other:?}")),
        };
        let reading = self.method == "GET" && encoding == Encoding::Query;
        if !reading && !params.is_empty() && !encodings.contains(&encoding) {
            return Err(format!("parameters in {encoding:?}, not in {encodings:?}"));
        }
        match query.is_empty() {
            true => Ok(params),
            false => Err("parameters in the query and in the body".to_owned()),
        }
    }

    fn members(&self) -> Result<Params, String> {
        let value: Value =
            serde_json::from_slice(&self.body).map_err(|error| format!("the JSON: {error}"))?;
        match value {
            Value::Object(members) => Ok(members.into_iter().collect()),
            _ => Err("the JSON is no object".to_owned()),
        }
    }
}

/// The method, the URL, and of all else only the names.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url())?;
        if !self.query.is_empty() {
            write!(f, "?{}", shown(pairs(self.query.as_bytes())))?;
        }
        let scheme = self.header("authorization").split(' ').next();
        write!(f, " authorization={:?}", scheme.unwrap_or_default())?;
        for name in ["content-type", "accept"] {
            write!(f, " {name}={:?}", self.header(name))?;
        }
        match (self.body.is_empty(), self.members()) {
            (true, _) => Ok(()),
            (false, Ok(members)) => write!(f, " JSON: {}", shown(Ok(members))),
            (false, Err(_)) => write!(f, " body: {}", shown(pairs(&self.body))),
        }
    }
}

impl Answer {
    /// An error as RFC 6749 section 5.2 has it.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self {
            status,
            body: format!(r#"{{"error": "{code}"}}"#),
        }
    }
}

impl From<&Said> for Answer {
    fn from(said: &Said) -> Self {
        Self {
            status: said.status,
            body: said.body.clone(),
        }
    }
}

impl From<Answer> for Response<Body> {
    fn from(answer: Answer) -> Self {
        let response = Response::builder().status(answer.status);
        let response = match answer.body.is_empty() {
            true => response,
            false => response.header(header::CONTENT_TYPE, "application/json; charset=utf-8"),
        };
        response.body(Body::from(answer.body)).unwrap()
    }
}

/// The pairs of a form or a query; a name that is there twice is an error.
pub(crate) fn pairs(bytes: &[u8]) -> Result<Params, String> {
    let mut params = Params::new();
    for (name, value) in form_urlencoded::parse(bytes) {
        let before = params.insert(name.clone().into_owned(), value.into_owned().into());
        if before.is_some() {
            return Err(format!("{name} is there twice"));
        }
    }
    Ok(params)
}

/// A parameter as text.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn shown(params: Result<Params, String>) -> String {
    let Ok(params) = params else {
        return "(not readable)".to_owned();
    };
    let shown = params.iter().map(|(name, value)| {
        let value = text(value);
        match SHOWN.contains(&name.as_str()) {
            true => format!("{name}={value}"),
            false => format!("{name}=({} bytes)", value.len()),
        }
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn decoded(part: &str) -> Option<String> {
    let pair = format!("v={part}");
    let (_, value) = form_urlencoded::parse(pair.as_bytes()).next()?;
    Some(value.into_owned())
}
