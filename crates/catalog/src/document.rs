//! A definition file as it is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use tokend_model::{
    ApiFacts, Capabilities, ConnectionConfigField, GrantType, IntegrationType, IntegrationTypeName,
    ScopeSets, StaticCredentialField, TokenKind,
};

use crate::refresh::RefreshSection;
use crate::vocabulary::GrantTypeWord;
use crate::{
    Assertion, Authorize, Capture, Client, Definition, Device, Discovery, Errors, Exchange,
    Identity, Metadata, Pattern, Revoke, StaticCredential, SubjectToken, Token,
};

static PROVIDERS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/providers");

/// All that may stand in a definition file. A provider's file has the same sections, without `[about]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    about: Option<About>,
    client: Option<Client>,
    metadata: Option<Metadata>,
    authorize: Option<Authorize>,
    device: Option<Device>,
    token: Option<Token>,
    assertion: Option<Assertion>,
    subject: Option<SubjectToken>,
    exchange: Option<Exchange>,
    refresh: Option<RefreshSection>,
    errors: Option<Errors>,
    revoke: Option<Revoke>,
    identity: Option<Identity>,
    credential: Option<StaticCredential>,
    scopes: Option<Scopes>,
    api: Option<Api>,
    #[serde(default)]
    capabilities: Operations,
    #[serde(default)]
    connection_config: Vec<Field>,
    #[serde(default)]
    capture: Vec<Capture>,
    #[serde(default)]
    discovery: Vec<Discovery>,
    #[serde(default)]
    source: Vec<Source>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    display_name: String,
    description: String,
    category: String,
    documentation_url: String,
    #[serde(default = "yes")]
    listed: bool,
    #[serde(default)]
    aliases: Vec<String>,
    /// Whose sections hold where this file has none of that name; see `providers/`.
    provider: Option<String>,
    #[serde(default, with = "GrantTypeWord")]
    grant: GrantType,
    /// What the host of each URL has to be or end with.
    #[serde(default)]
    hosts: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Scopes {
    identity: Vec<String>,
    read: Vec<String>,
    write: Vec<String>,
    offline: Vec<String>,
    /// Scopes that answers name otherwise, or leave to a wider one that includes them.
    reported_as: BTreeMap<String, String>,
    /// Scopes that answers never name, though they were granted.
    unreported: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Operations {
    read: Vec<String>,
    write: Vec<String>,
    search: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Api {
    base_url: String,
    token_header: String,
    token_scheme: String,
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    name: String,
    display_name: String,
    description: String,
    #[serde(default)]
    placeholder: String,
    #[serde(default)]
    required: bool,
    default: Option<String>,
    pattern: Pattern,
    pattern_error: String,
    #[serde(default)]
    operator_only: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    url: String,
    date: toml::value::Datetime,
}

impl Document {
    /// The document with its provider's sections where it has none. Lists are put together, the provider's first; a
    /// connection config field of the same name replaces the provider's.
    pub(crate) fn complete(self) -> Result<Self, String> {
        let Some(name) = self.about.as_ref().and_then(|about| about.provider.clone()) else {
            return Ok(self);
        };
        let text = PROVIDERS
            .get_file(format!("{name}.toml"))
            .and_then(|file| file.contents_utf8())
            .ok_or_else(|| {
                let known: Vec<_> = PROVIDERS
                    .files()
                    .filter_map(|file| file.path().file_stem()?.to_str())
                    .collect();
                format!(
                    "about.provider: there is no {name:?}; there are: {}",
                    known.join(", ")
                )
            })?;
        let provider: Self =
            toml::from_str(text).map_err(|error| format!("provider {name}: {error}"))?;
        let own_fields = &self.connection_config;
        let other_fields = provider.connection_config.into_iter();
        let fields = other_fields
            .filter(|field| own_fields.iter().all(|own| own.name != field.name))
            .collect::<Vec<_>>();
        Ok(Self {
            about: self.about,
            client: self.client.or(provider.client),
            metadata: self.metadata.or(provider.metadata),
            authorize: self.authorize.or(provider.authorize),
            device: self.device.or(provider.device),
            token: self.token.or(provider.token),
            assertion: self.assertion.or(provider.assertion),
            subject: self.subject.or(provider.subject),
            exchange: self.exchange.or(provider.exchange),
            refresh: self.refresh.or(provider.refresh),
            errors: self.errors.or(provider.errors),
            revoke: self.revoke.or(provider.revoke),
            identity: self.identity.or(provider.identity),
            credential: self.credential.or(provider.credential),
            scopes: Some(
                provider
                    .scopes
                    .unwrap_or_default()
                    .under(self.scopes.unwrap_or_default()),
            ),
            api: self.api.or(provider.api),
            capabilities: self.capabilities,
            connection_config: fields.into_iter().chain(self.connection_config).collect(),
            capture: [provider.capture, self.capture].concat(),
            discovery: [provider.discovery, self.discovery].concat(),
            source: provider.source.into_iter().chain(self.source).collect(),
        })
    }

    pub(crate) fn into_definition(
        self,
        name: &IntegrationTypeName,
        user_defined: bool,
    ) -> Result<Definition, String> {
        let about = self
            .about
            .ok_or("about: the section is missing: display_name, description ...")?;
        let aliases = about
            .aliases
            .iter()
            .map(|alias| {
                IntegrationTypeName::new(alias)
                    .map_err(|error| format!("about.aliases: {alias:?}: {error}"))
            })
            .collect::<Result<_, _>>()?;
        let patterns = self
            .connection_config
            .iter()
            .map(|field| (field.name.clone(), field.pattern.clone()))
            .collect();
        let learned = self
            .capture
            .iter()
            .chain(self.discovery.iter().flat_map(|call| &call.capture))
            .map(learned_field);
        let fields = self.connection_config.into_iter().map(Into::into);
        let scopes = self.scopes.unwrap_or_default();
        let other_tokens = self.token.iter().flat_map(|token| &token.other);
        let integration_type = IntegrationType {
            name: name.clone(),
            display_name: about.display_name,
            description: about.description,
            category: about.category,
            documentation_url: about.documentation_url,
            listed: about.listed,
            user_defined,
            capabilities: Capabilities {
                read_operations: self.capabilities.read,
                write_operations: self.capabilities.write,
                search_supported: self.capabilities.search,
            },
            scopes: ScopeSets {
                identity: scopes.identity,
                read: scopes.read,
                write: scopes.write,
                offline: scopes.offline,
            },
            connection_config_fields: fields.chain(learned).collect(),
            aliases,
            grant_type: about.grant,
            device_authorization: self.device.is_some(),
            static_credential: self.credential.map(Into::into),
            other_tokens: other_tokens
                .map(|token| TokenKind {
                    name: token.name.clone(),
                    description: token.description.clone(),
                    own_scopes: token.scope_param.is_some(),
                })
                .collect(),
            api: self.api.unwrap_or_default().into(),
        };
        let renewed = self.token.is_some();
        Ok(Definition {
            integration_type: Arc::new(integration_type),
            client: self.client.unwrap_or_default(),
            metadata: self.metadata,
            authorize: self.authorize,
            device: self.device,
            token: self.token,
            assertion: self.assertion,
            subject: self.subject,
            exchange: self.exchange,
            // What is never renewed has no class to name.
            refresh: self
                .refresh
                .unwrap_or_default()
                .read(user_defined || !renewed)?,
            errors: self.errors.unwrap_or_default(),
            revoke: self.revoke,
            identity: self.identity,
            discoveries: self.discovery,
            captures: self.capture,
            scopes_reported_as: scopes.reported_as,
            scopes_unreported: scopes.unreported,
            hosts: about.hosts,
            sources: self
                .source
                .into_iter()
                .map(|source| (source.url, source.date.to_string()))
                .collect(),
            patterns,
        })
    }
}

impl Scopes {
    /// These, where the other has none of the kind.
    fn under(self, over: Self) -> Self {
        let first = |over: Vec<String>, under: Vec<String>| match over.is_empty() {
            true => under,
            false => over,
        };
        Self {
            identity: first(over.identity, self.identity),
            read: first(over.read, self.read),
            write: first(over.write, self.write),
            offline: first(over.offline, self.offline),
            reported_as: match over.reported_as.is_empty() {
                true => self.reported_as,
                false => over.reported_as,
            },
            unreported: first(over.unreported, self.unreported),
        }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self {
            base_url: String::new(),
            token_header: "Authorization".to_owned(),
            token_scheme: "Bearer".to_owned(),
            headers: BTreeMap::new(),
        }
    }
}

impl From<Api> for ApiFacts {
    fn from(api: Api) -> Self {
        Self {
            base_url: api.base_url,
            token_header: api.token_header,
            token_scheme: api.token_scheme,
            required_headers: api.headers,
        }
    }
}

impl From<StaticCredential> for StaticCredentialField {
    fn from(credential: StaticCredential) -> Self {
        Self {
            display_name: credential.display_name,
            description: credential.description,
            placeholder: credential.placeholder,
            validation_pattern: credential
                .pattern
                .map(|pattern| pattern.as_str().to_owned())
                .unwrap_or_default(),
            validation_error: credential.pattern_error,
            basic: credential.basic,
        }
    }
}

impl From<Field> for ConnectionConfigField {
    fn from(field: Field) -> Self {
        Self {
            name: field.name,
            display_name: field.display_name,
            description: field.description,
            placeholder: field.placeholder,
            required: field.required,
            default_value: field.default,
            validation_pattern: field.pattern.as_str().to_owned(),
            validation_error: field.pattern_error,
            operator_only: field.operator_only,
            learned: false,
        }
    }
}

fn learned_field(capture: &Capture) -> ConnectionConfigField {
    ConnectionConfigField {
        name: capture.name.clone(),
        display_name: capture.name.clone(),
        description: capture.description.clone(),
        placeholder: String::new(),
        required: capture.required,
        default_value: capture.default.clone(),
        validation_pattern: capture.pattern.as_str().to_owned(),
        validation_error: String::new(),
        operator_only: false,
        learned: true,
    }
}

fn yes() -> bool {
    true
}
