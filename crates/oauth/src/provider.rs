//! A connector's provider: its definition with the connection's values filled in.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::RequestBuilder;
use tokend_catalog::{Catalogue, ClientAuth, Definition, Method, Template, TemplateError};
use tokend_model::ports::{InvalidRegistration, Registration};
use tokend_model::{TokenFailure, TokenFailureKind};
use url::{Url, form_urlencoded};

use crate::failure::failure;

/// Whom to speak to, and as whom.
pub(crate) struct Provider<'a> {
    pub(crate) definition: Arc<Definition>,
    pub(crate) registration: Registration<'a>,
}

impl<'a> Provider<'a> {
    pub(crate) fn find(
        catalogue: &Catalogue,
        registration: Registration<'a>,
    ) -> Result<Self, InvalidRegistration> {
        let connector = registration.connector;
        let name = &connector.integration_type;
        let definition = catalogue
            .definition(&connector.workspace, name)
            .ok_or_else(|| InvalidRegistration(format!("{name} is not in the catalogue")))?;
        Ok(Self {
            definition,
            registration,
        })
    }

    /// A URL that there has to be.
    pub(crate) fn url(&self, template: &Template) -> Result<Url, InvalidRegistration> {
        template
            .fill(|name| self.value(name))
            .map_err(|error| InvalidRegistration(error.to_string()))
    }

    /// A URL that is there only where its values are given.
    pub(crate) fn url_if_given(
        &self,
        template: &Template,
    ) -> Result<Option<Url>, InvalidRegistration> {
        match template.fill(|name| self.value(name)) {
            Ok(url) => Ok(Some(url)),
            Err(TemplateError::Missing(_)) => Ok(None),
            Err(error) => Err(InvalidRegistration(error.to_string())),
        }
    }

    /// How the client proves itself at the token endpoint.
    pub(crate) fn client_auth(&self) -> Result<ClientAuth, InvalidRegistration> {
        self.definition
            .token
            .auth
            .resolve(|name| self.value(name))
            .map_err(|error| InvalidRegistration(error.to_string()))
    }

    /// HTTP Basic with the client's id and secret, each form-encoded first (RFC 6749 section 2.3.1).
    pub(crate) fn basic_auth(&self, request: RequestBuilder) -> RequestBuilder {
        let encode =
            |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let connector = self.registration.connector;
        let secret = connector
            .client_secret
            .as_ref()
            .map(|secret| encode(secret.expose()));
        request.basic_auth(encode(&connector.client_id), secret)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        if name == "client_id" {
            return Some(&self.registration.connector.client_id);
        }
        self.definition
            .config_value(self.registration.connection_config, name)
    }
}

/// Nothing can be sent to a provider that is not well described, so nothing was spent.
pub(crate) fn not_sent(invalid: InvalidRegistration) -> TokenFailure {
    failure(TokenFailureKind::NotSent, invalid.0)
}

/// A definition's method.
pub(crate) fn http_method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Delete => http::Method::DELETE,
    }
}

/// A definition's headers.
pub(crate) fn definition_headers(
    headers: &BTreeMap<String, String>,
) -> Result<HeaderMap, TokenFailure> {
    headers
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().ok()?;
            let value: HeaderValue = value.parse().ok()?;
            Some((name, value))
        })
        .collect::<Option<HeaderMap>>()
        .ok_or_else(|| {
            failure(
                TokenFailureKind::NotSent,
                "the definition has a header that is none",
            )
        })
}
