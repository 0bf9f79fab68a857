//! Reads a request to the token or revocation endpoint: parameters and client authentication (RFC 6749 section 2.3.1).

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use url::form_urlencoded;

use crate::{
    event::{BodyFormat, ClientAuth},
    provider::Provider,
    redemption::Refusal,
};

/// A request as it was sent; nothing is checked yet.
pub(crate) struct TokenRequest {
    parameters: BTreeMap<String, String>,
    pub(crate) body: BodyFormat,
    pub(crate) client_auth: ClientAuth,
    client_id: Option<String>,
    client_secret: Option<String>,
}

const INVALID_REQUEST: Refusal = Refusal("invalid_request");
/// The client is not known or did not prove to be itself.
pub(crate) const INVALID_CLIENT: Refusal = Refusal("invalid_client");

impl TokenRequest {
    /// Takes headers and body apart.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
        let (format, parameters) = match content_type.split(';').next().map(str::trim) {
            Some("application/x-www-form-urlencoded") => (
                BodyFormat::Form,
                form_urlencoded::parse(body).into_owned().collect(),
            ),
            Some("application/json") => (
                BodyFormat::Json,
                serde_json::from_slice(body).map_err(|_| INVALID_REQUEST)?,
            ),
            _ => return Err(INVALID_REQUEST),
        };
        let mut request = Self {
            parameters,
            body: format,
            client_auth: ClientAuth::None,
            client_id: None,
            client_secret: None,
        };
        let posted = request.parameters.remove("client_secret");
        request.client_id = request.parameters.remove("client_id");
        match (text(header::AUTHORIZATION), posted) {
            // More than one method in one request is forbidden.
            (Some(_), Some(_)) => return Err(INVALID_REQUEST),
            (Some(authorization), None) => {
                let (id, secret) = basic(authorization).ok_or(INVALID_CLIENT)?;
                request.client_auth = ClientAuth::ClientSecretBasic;
                (request.client_id, request.client_secret) = (Some(id), Some(secret));
            }
            (None, Some(secret)) => {
                request.client_auth = ClientAuth::ClientSecretPost;
                request.client_secret = Some(secret);
            }
            (None, None) => {}
        }
        Ok(request)
    }

    /// Who says to be calling; not proven yet.
    pub(crate) fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// A parameter that is present and not empty.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A parameter that has to be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.parameter(name).ok_or(INVALID_REQUEST)
    }

    /// The id of the client, if it is known and its secret is right.
    pub(crate) fn authenticate(&self, provider: &Provider) -> Result<&str, Refusal> {
        let id = self.client_id.as_deref().ok_or(INVALID_CLIENT)?;
        let client = provider.client(id).ok_or(INVALID_CLIENT)?;
        if self.client_secret.as_deref() == Some(&client.secret) {
            Ok(id)
        } else {
            Err(INVALID_CLIENT)
        }
    }

    /// The values in it that nobody may find in a log or a database.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        [
            "code",
            "code_verifier",
            "refresh_token",
            "token",
            "device_code",
            "subject_token",
        ]
        .into_iter()
        .filter_map(|name| self.parameter(name))
        .chain(self.client_secret.as_deref())
    }
}

/// Id and secret of a basic authorization, both form-encoded inside (RFC 6749 section 2.3.1).
fn basic(authorization: &str) -> Option<(String, String)> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(value: &str) -> Option<String> {
    // Encoded, it holds no separator: the whole is one name without a value.
    form_urlencoded::parse(value.as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
}
