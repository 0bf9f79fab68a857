//! Changes to an answer that the provider has made and means.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, response::Parts},
};
use serde_json::{Map, Value};

/// What is changed about an answer before it leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alteration {
    /// Another status.
    pub status: Option<u16>,
    /// Header names and their values; an empty value takes the header away.
    pub headers: Vec<(String, String)>,
    /// What happens to the body.
    pub body: BodyChange,
}

/// What happens to the body of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BodyChange {
    /// Nothing.
    #[default]
    Keep,
    /// This is sent instead.
    Replace(Vec<u8>),
    /// Members of the JSON object are set to this JSON text, which is not checked, or taken away. An answer in another
    /// format stays as it is.
    Members(Vec<(String, Option<String>)>),
    /// These stand around it.
    Wrap {
        /// Before it.
        before: Vec<u8>,
        /// After it.
        after: Vec<u8>,
    },
    /// Only its first half is sent, as if that were all.
    Half,
}

impl Alteration {
    /// The answer as it leaves.
    pub(crate) fn apply(self, mut parts: Parts, body: &Bytes) -> (Parts, Bytes) {
        if let Some(status) = self.status {
            parts.status =
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        }
        parts.headers.remove(header::CONTENT_LENGTH);
        set_headers(&mut parts.headers, self.headers);
        (parts, self.body.apply(body))
    }
}

impl BodyChange {
    fn apply(self, body: &Bytes) -> Bytes {
        match self {
            Self::Keep => body.clone(),
            Self::Replace(other) => other.into(),
            Self::Members(members) => {
                changed(body, &members).map_or_else(|| body.clone(), Bytes::from)
            }
            Self::Wrap { before, after } => [&before[..], body, &after].concat().into(),
            Self::Half => body.slice(..body.len() / 2),
        }
    }
}

/// Sets headers; an empty value takes one away.
pub(crate) fn set_headers(headers: &mut HeaderMap, wanted: Vec<(String, String)>) {
    for (name, value) in wanted {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) if value.is_empty() => _ = headers.remove(name),
            (Ok(name), Ok(value)) => _ = headers.insert(name, value),
            _ => tracing::warn!("a scripted header is none and was left out"),
        }
    }
}

/// Writes the object anew by hand: the values given need not be JSON.
fn changed(body: &[u8], members: &[(String, Option<String>)]) -> Option<String> {
    let object: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let kept = object
        .iter()
        .filter(|(name, _)| !members.iter().any(|(other, _)| other == *name))
        .map(|(name, value)| (name, value.to_string()));
    let set = members
        .iter()
        .filter_map(|(name, json)| Some((name, json.clone()?)));
    let members: Vec<_> = kept
        .chain(set)
        .map(|(name, json)| format!("{}:{json}", Value::from(name.as_str())))
        .collect();
    Some(format!("{{{}}}", members.join(",")))
}

#[cfg(test)]
mod tests {
    use super::changed;

    #[test]
    fn members_are_set_and_taken_away_and_need_not_be_json() {
        let members = [("a", Some("1e400")), ("b", None), ("new", Some("{"))];
        let members = members.map(|(name, json)| (name.to_owned(), json.map(str::to_owned)));
        let body = br#"{"a":1,"b":2,"c":"three"}"#;
        assert_eq!(
            changed(body, &members).as_deref(),
            Some(r#"{"c":"three","a":1e400,"new":{}"#)
        );
        assert_eq!(changed(b"a=1&b=2", &members), None);
    }
}
