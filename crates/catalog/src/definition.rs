//! One integration type's definition: read from TOML, checked, and split into what people see and what the OAuth
//! crate carries out.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use tokend_model::ports::InvalidDefinition;
use tokend_model::{
    Capabilities, ConnectionConfig, ConnectionConfigField, IntegrationType, IntegrationTypeName,
    ScopeSets,
};

use crate::cross_check::cross_check;
use crate::refresh::RefreshSection;
use crate::{Authorize, Capture, Errors, Identity, Pattern, Refresh, Revoke, Token};

/// An integration type with all that is needed to speak OAuth with it.
#[derive(Debug, Clone)]
pub struct Definition {
    /// What callers and operators are told about it.
    pub integration_type: Arc<IntegrationType>,
    /// The authorization request.
    pub authorize: Authorize,
    /// The token endpoint.
    pub token: Token,
    /// Where a refresh differs, and what the provider does with refresh tokens.
    pub refresh: Refresh,
    /// How errors are reported.
    pub errors: Errors,
    /// How a grant is ended; absent where the provider has no way.
    pub revoke: Option<Revoke>,
    /// Who the account is; absent where there is no such call.
    pub identity: Option<Identity>,
    /// Values learnt from the token answer.
    pub captures: Vec<Capture>,
    /// Pages the facts were read from, each with the day.
    pub sources: Vec<(String, String)>,
    pub(crate) patterns: BTreeMap<String, Pattern>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    about: About,
    authorize: Authorize,
    token: Token,
    #[serde(default)]
    refresh: RefreshSection,
    #[serde(default)]
    errors: Errors,
    revoke: Option<Revoke>,
    identity: Option<Identity>,
    #[serde(default)]
    scopes: Scopes,
    #[serde(default)]
    capabilities: Operations,
    #[serde(default)]
    connection_config: Vec<Field>,
    #[serde(default)]
    capture: Vec<Capture>,
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
    #[serde(default = "listed")]
    listed: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Scopes {
    identity: Vec<String>,
    read: Vec<String>,
    write: Vec<String>,
    offline: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Operations {
    read: Vec<String>,
    write: Vec<String>,
    search: bool,
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

impl Definition {
    /// Reads and checks a definition; the error says in which line of `{name}.toml`, at which key, and what is allowed.
    pub fn parse(
        name: &IntegrationTypeName,
        text: &str,
        user_defined: bool,
    ) -> Result<Self, InvalidDefinition> {
        let invalid = |why: &str| InvalidDefinition(format!("{name}.toml: {}", why.trim_end()));
        let document: Document =
            toml::from_str(text).map_err(|error| invalid(&error.to_string()))?;
        let definition = document
            .into_definition(name, user_defined)
            .map_err(|why| invalid(&why))?;
        cross_check(&definition).map_err(|why| invalid(&why))?;
        Ok(definition)
    }

    /// A connection config value, or the default of its field.
    pub fn config_value<'v>(
        &'v self,
        connection_config: &'v ConnectionConfig,
        name: &str,
    ) -> Option<&'v str> {
        connection_config
            .get(name)
            .or_else(|| self.field(name)?.default_value.as_ref())
            .map(String::as_str)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&ConnectionConfigField> {
        self.integration_type
            .connection_config_fields
            .iter()
            .find(|field| field.name == name)
    }
}

impl Document {
    fn into_definition(
        self,
        name: &IntegrationTypeName,
        user_defined: bool,
    ) -> Result<Definition, String> {
        let patterns = self
            .connection_config
            .iter()
            .map(|field| (field.name.clone(), field.pattern.clone()))
            .collect();
        let integration_type = IntegrationType {
            name: name.clone(),
            display_name: self.about.display_name,
            description: self.about.description,
            category: self.about.category,
            documentation_url: self.about.documentation_url,
            listed: self.about.listed,
            user_defined,
            capabilities: Capabilities {
                read_operations: self.capabilities.read,
                write_operations: self.capabilities.write,
                search_supported: self.capabilities.search,
            },
            scopes: ScopeSets {
                identity: self.scopes.identity,
                read: self.scopes.read,
                write: self.scopes.write,
                offline: self.scopes.offline,
            },
            connection_config_fields: self.connection_config.into_iter().map(Into::into).collect(),
        };
        Ok(Definition {
            integration_type: Arc::new(integration_type),
            authorize: self.authorize,
            token: self.token,
            refresh: self.refresh.read(user_defined)?,
            errors: self.errors,
            revoke: self.revoke,
            identity: self.identity,
            captures: self.capture,
            sources: self
                .source
                .into_iter()
                .map(|source| (source.url, source.date.to_string()))
                .collect(),
            patterns,
        })
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
        }
    }
}

fn listed() -> bool {
    true
}
