//! A connector's provider: its definition with the connection's values filled in, and the way to it.

use std::sync::Arc;

use tokend_catalog::{
    Authorize, Catalogue, ClientAuth, Definition, Metadata, Template, TemplateError, Token,
};
use tokend_model::ports::{InvalidRegistration, Registration, UnusableRegistration};
use tokend_model::{ConnectionConfig, GrantType, Secret, TokenFailure, TokenFailureKind};
use url::Url;

use crate::accepted_secrets::AcceptedSecrets;
use crate::failure::failure;
use crate::metadata::Endpoints;
use crate::transport::Transport;

/// Whom to speak to, as whom, and over what.
#[derive(Clone)]
pub(crate) struct Provider<'a> {
    pub(crate) transport: &'a Transport,
    pub(crate) accepted_secrets: &'a AcceptedSecrets,
    pub(crate) definition: Arc<Definition>,
    pub(crate) registration: Registration<'a>,
    /// What the provider's metadata names; empty where the definition has none.
    endpoints: Arc<Endpoints>,
}

/// The definition of a registration's integration type.
pub(crate) fn definition(
    catalogue: &Catalogue,
    registration: Registration<'_>,
) -> Result<Arc<Definition>, InvalidRegistration> {
    let connector = registration.connector;
    let name = &connector.integration_type;
    catalogue
        .definition(&connector.workspace, name)
        .ok_or_else(|| InvalidRegistration(format!("{name} is not in the catalogue")))
}

impl<'a> Provider<'a> {
    /// The provider, before its metadata is asked for.
    pub(crate) fn new(
        transport: &'a Transport,
        accepted_secrets: &'a AcceptedSecrets,
        definition: Arc<Definition>,
        registration: Registration<'a>,
    ) -> Self {
        Self {
            transport,
            accepted_secrets,
            definition,
            registration,
            endpoints: Arc::default(),
        }
    }

    /// The provider with what its metadata names.
    pub(crate) fn at(self, endpoints: Arc<Endpoints>) -> Self {
        Self { endpoints, ..self }
    }

    /// The provider with further values.
    pub(crate) fn knowing<'b>(&self, connection_config: &'b ConnectionConfig) -> Provider<'b>
    where
        'a: 'b,
    {
        Provider {
            registration: Registration {
                connection_config,
                ..self.registration
            },
            ..self.clone()
        }
    }

    /// A URL that there has to be.
    pub(crate) fn url(&self, template: &Template) -> Result<Url, InvalidRegistration> {
        self.definition
            .fill(template, |name| self.value(name))
            .map_err(|error| InvalidRegistration(error.to_string()))
    }

    /// A URL that is there only where its values are given.
    pub(crate) fn url_if_given(
        &self,
        template: &Template,
    ) -> Result<Option<Url>, InvalidRegistration> {
        match self.definition.fill(template, |name| self.value(name)) {
            Ok(url) => Ok(Some(url)),
            Err(TemplateError::Missing(_)) => Ok(None),
            Err(error) => Err(InvalidRegistration(error.to_string())),
        }
    }

    /// The section of the authorization request.
    pub(crate) fn authorize(&self) -> Result<&Authorize, InvalidRegistration> {
        self.definition.authorize.as_ref().ok_or_else(|| {
            InvalidRegistration("the integration type is not connected in a browser".to_owned())
        })
    }

    /// The section of the token endpoint.
    pub(crate) fn token(&self) -> Result<&Token, InvalidRegistration> {
        self.definition.token.as_ref().ok_or_else(|| {
            InvalidRegistration("the integration type has no token endpoint".to_owned())
        })
    }

    /// How the client proves itself at the token endpoint.
    pub(crate) fn client_auth(&self) -> Result<ClientAuth, InvalidRegistration> {
        let auth = self.token()?.auth.resolve(|name| self.value(name));
        auth.map_err(|error| InvalidRegistration(error.to_string()))
    }

    /// The client secret where it is one that both sides know; the key of a client that signs goes nowhere.
    pub(crate) fn shared_secret<'s>(&self, secret: Option<&'s Secret>) -> Option<&'s Secret> {
        let signs = self.definition.grant_type() == GrantType::JwtBearer
            || self.client_auth() == Ok(ClientAuth::PrivateKeyJwt);
        secret.filter(|_| !signs)
    }

    /// The scopes as one text; none where there are none.
    pub(crate) fn joined<'s>(
        &self,
        scopes: impl Iterator<Item = &'s str>,
    ) -> Result<Option<String>, InvalidRegistration> {
        let separator = match &self.definition.authorize {
            Some(authorize) => authorize
                .scope_separator
                .resolve(|name| self.value(name))
                .map_err(|error| InvalidRegistration(error.to_string()))?,
            None => Default::default(),
        };
        let scopes: Vec<&str> = scopes.collect();
        Ok((!scopes.is_empty()).then(|| scopes.join(separator.as_str())))
    }

    /// A value of the connection config, of the client or of the provider's metadata.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        if name == "client_id" {
            return Some(&self.registration.connector.client_id);
        }
        if self.definition.metadata.is_some() && Metadata::ENDPOINTS.contains(&name) {
            return self.endpoints.get(name);
        }
        let of_connector = &self.registration.connector.connection_config;
        self.definition
            .config_value(of_connector, self.registration.connection_config, name)
    }

    /// A text with its `{name}` filled in; by nothing where the value is not given.
    pub(crate) fn filled(&self, text: &str) -> String {
        let mut parts = text.split('{');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, after) = part.split_once('}').unwrap_or(("", part));
            filled.push_str(self.value(name).unwrap_or_default());
            filled.push_str(after);
        }
        filled
    }

    /// The same for a parameter, to which the secrets are open: the client's, and the token that the call is about.
    pub(crate) fn param_value(
        &self,
        name: &str,
        secret: Option<&Secret>,
        token: Option<&Secret>,
    ) -> Option<String> {
        match name {
            "client_secret" => self.shared_secret(secret).map(Secret::expose),
            "token" => token.map(Secret::expose),
            _ => self.value(name),
        }
        .map(str::to_owned)
    }
}

/// Nothing can be sent to a provider that is not well described, so nothing was spent.
pub(crate) fn not_sent(unusable: impl Into<UnusableRegistration>) -> TokenFailure {
    match unusable.into() {
        UnusableRegistration::Invalid(invalid) => failure(TokenFailureKind::NotSent, invalid.0),
        UnusableRegistration::Metadata(failure) => failure,
    }
}
