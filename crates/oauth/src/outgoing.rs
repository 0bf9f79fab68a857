//! A request before it is written down: its parameters go into a form, a JSON object or the query.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Request;
use serde_json::{Map, Value};
use tokend_catalog::{CallEncoding, Encoding, Method, Param};
use tokend_model::{TokenFailure, TokenFailureKind};
use url::{Url, form_urlencoded};

use crate::failure::failure;

/// Parameters in the order in which they were first set. No Debug: there are secrets among them.
#[derive(Clone, Default)]
pub(crate) struct Parameters(Vec<(String, Value)>);

/// A request to a provider. No Debug: its URL, too, may hold secrets.
pub(crate) struct Outgoing {
    pub(crate) parameters: Parameters,
    /// A whole JSON body instead of parameters.
    pub(crate) body: Option<String>,
    method: http::Method,
    url: Url,
    encoding: CallEncoding,
    headers: HeaderMap,
}

impl Parameters {
    /// Sets one; an earlier value of the same name gives way.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Sets all of the other's.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (name, value) in &other.0 {
            self.set(name, value.clone());
        }
    }

    /// Sets those of a definition; one whose value is not given is left out.
    pub(crate) fn set_all(
        &mut self,
        params: &BTreeMap<String, Param>,
        value: impl Fn(&str) -> Option<String>,
    ) {
        for (name, param) in params {
            match param {
                Param::Text(text) => self.set(name, text.as_str()),
                Param::Number(number) => self.set(name, *number),
                Param::Value(of) => {
                    if let Some(value) = value(of).filter(|value| !value.is_empty()) {
                        self.set(name, value);
                    }
                }
            }
        }
    }

    /// Adds them to what the URL's query has already.
    pub(crate) fn append_to(&self, url: &mut Url) {
        if !self.0.is_empty() {
            url.query_pairs_mut().extend_pairs(self.texts());
        }
    }

    fn texts(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.0.iter().map(|(name, value)| {
            let text = match value {
                Value::String(text) => Cow::Borrowed(text.as_str()),
                other => Cow::Owned(other.to_string()),
            };
            (name.as_str(), text)
        })
    }

    fn form(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(self.texts())
            .finish()
    }
}

impl Outgoing {
    pub(crate) fn new(
        method: Method,
        url: Url,
        encoding: CallEncoding,
        headers: &BTreeMap<String, String>,
    ) -> Result<Self, TokenFailure> {
        let mut all = HeaderMap::new();
        all.insert(ACCEPT, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            let parsed = name.parse().ok().zip(value.parse().ok());
            let (name, value): (HeaderName, HeaderValue) = parsed.ok_or_else(|| {
                failure(
                    TokenFailureKind::NotSent,
                    "the definition has a header that is none",
                )
            })?;
            all.insert(name, value);
        }
        Ok(Self {
            parameters: Parameters::default(),
            body: None,
            method: http_method(method),
            url,
            encoding,
            headers: all,
        })
    }

    /// Sets a header that proves something; its value is kept from logs.
    pub(crate) fn prove(&mut self, header: &str, value: &str) -> Result<(), TokenFailure> {
        let (name, mut value): (HeaderName, HeaderValue) = header
            .parse()
            .ok()
            .zip(value.parse().ok())
            .ok_or_else(not_built)?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(())
    }

    /// Sets the bearer token (RFC 6750 section 2.1).
    pub(crate) fn bear(&mut self, token: &str) -> Result<(), TokenFailure> {
        self.prove(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    /// Writes it down. A GET has no body: its parameters go into the query.
    pub(crate) fn build(mut self) -> Result<Request, TokenFailure> {
        let encoding = match self.method {
            http::Method::GET => CallEncoding::Query,
            _ => self.encoding,
        };
        let body = match (self.body, encoding) {
            (Some(body), _) => Some((body, "application/json")),
            (None, _) if self.parameters.0.is_empty() => None,
            (None, CallEncoding::Form) => {
                Some((self.parameters.form(), "application/x-www-form-urlencoded"))
            }
            (None, CallEncoding::Json) => {
                let object: Map<_, _> = self.parameters.0.into_iter().collect();
                Some((Value::Object(object).to_string(), "application/json"))
            }
            (None, CallEncoding::Query) => {
                self.parameters.append_to(&mut self.url);
                None
            }
        };
        let mut request = Request::new(self.method, self.url);
        *request.headers_mut() = self.headers;
        if let Some((body, content_type)) = body {
            let content_type = HeaderValue::from_static(content_type);
            request.headers_mut().insert(CONTENT_TYPE, content_type);
            *request.body_mut() = Some(body.into());
        }
        Ok(request)
    }
}

/// Where the parameters of a request to the token endpoint go.
pub(crate) fn as_call_encoding(encoding: Encoding) -> CallEncoding {
    match encoding {
        Encoding::Form => CallEncoding::Form,
        Encoding::Json => CallEncoding::Json,
    }
}

fn http_method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Delete => http::Method::DELETE,
    }
}

fn not_built() -> TokenFailure {
    failure(TokenFailureKind::NotSent, "the request could not be built")
}
