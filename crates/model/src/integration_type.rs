//! What callers and operators are told about a catalogue entry, and the check of connection config values.

use std::collections::BTreeMap;

use crate::IntegrationTypeName;

/// Values that travel beside the token, such as a subdomain or instance URL. Never secret.
pub type ConnectionConfig = BTreeMap<String, String>;

/// An entry of the catalogue as its users see it; endpoints and quirks stay in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrationType {
    /// The name callers ask for.
    pub name: IntegrationTypeName,
    /// The service's own name.
    pub display_name: String,
    /// One line on what a connection gives access to.
    pub description: String,
    /// The group it is listed under, such as `calendar`.
    pub category: String,
    /// The vendor's page about its OAuth.
    pub documentation_url: String,
    /// Whether it is shown when one asks what is available.
    pub listed: bool,
    /// Whether it came from this installation rather than with tokend.
    pub user_defined: bool,
    /// What can be done with a connection.
    pub capabilities: Capabilities,
    /// The scopes usual for common wishes.
    pub scopes: ScopeSets,
    /// What has to be known before connecting.
    pub connection_config_fields: Vec<ConnectionConfigField>,
}

/// Names of operations that a connection's token is good for; for people and menus, not enforced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Operations that only read.
    pub read_operations: Vec<String>,
    /// Operations that change something.
    pub write_operations: Vec<String>,
    /// Whether the service can be searched.
    pub search_supported: bool,
}

/// Scopes by what they are for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeSets {
    /// Needed to learn whose account it is.
    pub identity: Vec<String>,
    /// The usual smallest set for reading; asked for when a connector names no scopes.
    pub read: Vec<String>,
    /// Added to the reading set for writing.
    pub write: Vec<String>,
    /// Make the service issue a refresh token; always asked for.
    pub offline: Vec<String>,
}

/// A value asked for before connecting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionConfigField {
    /// The key in the connection config.
    pub name: String,
    /// Its label in a form.
    pub display_name: String,
    /// What it is and where to find it.
    pub description: String,
    /// An example value.
    pub placeholder: String,
    /// Whether connecting needs it.
    pub required: bool,
    /// Taken when none is given.
    pub default_value: Option<String>,
    /// A regular expression that the whole value has to match (RE2 syntax, linear time).
    pub validation_pattern: String,
    /// What to tell a person whose value does not match.
    pub validation_error: String,
    /// Only an operator may set it, on the connector: it decides which host receives secrets.
    pub operator_only: bool,
}

/// Values of a connection config that cannot be taken, each with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("connection config: {}", .violations.iter().map(|(key, why)| format!("{key}: {why}")).collect::<Vec<_>>().join("; "))]
pub struct InvalidConnectionConfig {
    /// Pairs of the key and what is wrong with its value.
    pub violations: Vec<(String, String)>,
}
