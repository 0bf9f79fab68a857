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
    /// What has to be known before connecting, and what is learnt while connecting.
    pub connection_config_fields: Vec<ConnectionConfigField>,
    /// Other names it answers to.
    pub aliases: Vec<IntegrationTypeName>,
    /// How a connection comes by its token.
    pub grant_type: GrantType,
    /// Whether a device without a browser can connect an account (RFC 8628).
    pub device_authorization: bool,
    /// What a person enters, where the grant is static.
    pub static_credential: Option<StaticCredentialField>,
    /// The tokens a connection holds beside its main one.
    pub other_tokens: Vec<TokenKind>,
    /// How the API is called with the token.
    pub api: ApiFacts,
}

/// How a connection comes by its token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum GrantType {
    /// A person consents in a browser (RFC 6749 section 4.1).
    #[default]
    AuthorizationCode,
    /// The client's own credentials are enough (RFC 6749 section 4.4).
    ClientCredentials,
    /// An assertion signed with the client's private key (RFC 7523 section 2.1).
    JwtBearer,
    /// A token of somebody else's is exchanged (RFC 8693).
    TokenExchange,
    /// A person made the credential at the provider and entered it here; nothing renews it.
    Static,
}

/// What a person enters for a static credential.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaticCredentialField {
    /// Its label in a form.
    pub display_name: String,
    /// Where to find it.
    pub description: String,
    /// An example of its form.
    pub placeholder: String,
    /// A regular expression that the whole value has to match; empty for anything.
    pub validation_pattern: String,
    /// What to tell a person whose value does not match.
    pub validation_error: String,
    /// Whether it is a user name and a password (RFC 7617).
    pub basic: bool,
}

/// A token that a connection holds beside its main one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKind {
    /// The name callers ask for.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Whether it has scopes of its own. They are asked for with its name before them, as in `user:chat:write`.
    pub own_scopes: bool,
}

/// How an API is called with a vended token; for people and code generators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiFacts {
    /// Where the API is, with `{name}` for values of the connection config; empty where it is not one place.
    pub base_url: String,
    /// The header the token travels in.
    pub token_header: String,
    /// What stands before the token there; empty for nothing.
    pub token_scheme: String,
    /// Headers that each call needs beside it.
    pub required_headers: BTreeMap<String, String>,
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
    /// It is learnt from the provider instead of asked for.
    pub learned: bool,
}

/// Values of a connection config that cannot be taken, each with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("connection config: {}", .violations.iter().map(|(key, why)| format!("{key}: {why}")).collect::<Vec<_>>().join("; "))]
pub struct InvalidConnectionConfig {
    /// Pairs of the key and what is wrong with its value.
    pub violations: Vec<(String, String)>,
}

impl IntegrationType {
    /// Those of the scopes asked for that are one token's (empty: the main one's), as the provider calls them.
    pub fn scopes_of(&self, token: &str, asked: &[String]) -> Vec<String> {
        asked
            .iter()
            .map(|scope| self.whose_scope(scope))
            .filter(|(of, _)| *of == token)
            .map(|(_, scope)| scope.to_owned())
            .collect()
    }

    fn whose_scope<'a>(&'a self, scope: &'a str) -> (&'a str, &'a str) {
        let mut kinds = self.other_tokens.iter().filter(|kind| kind.own_scopes);
        kinds
            .find_map(|kind| {
                let own = scope.strip_prefix(&kind.name)?.strip_prefix(':')?;
                Some((kind.name.as_str(), own))
            })
            .unwrap_or(("", scope))
    }
}

impl GrantType {
    /// Whether a person has to consent; otherwise the connector alone, or a credential that was entered, is enough.
    pub fn needs_consent(self) -> bool {
        self == Self::AuthorizationCode
    }
}
