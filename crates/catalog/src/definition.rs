//! One integration type's definition: read from TOML, completed from its provider's, checked, and split into what people
//! see and what the OAuth crate carries out.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokend_model::ports::InvalidDefinition;
use tokend_model::{
    ConnectionConfig, ConnectionConfigField, GrantType, IntegrationType, IntegrationTypeName,
};
use url::Url;

use crate::cross_check::cross_check;
use crate::document::Document;
use crate::{
    Assertion, Authorize, Capture, Client, Device, Discovery, Errors, Exchange, Identity, Metadata,
    Pattern, Refresh, Revoke, SubjectToken, Template, TemplateError, Token,
};

/// An integration type with all that is needed to speak OAuth with it.
#[derive(Debug, Clone)]
pub struct Definition {
    /// What callers and operators are told about it.
    pub integration_type: Arc<IntegrationType>,
    /// What the client's id and secret are called.
    pub client: Client,
    /// The provider's description of itself, where the endpoints come from it.
    pub metadata: Option<Metadata>,
    /// The authorization request; there for authorization codes only.
    pub authorize: Option<Authorize>,
    /// The device authorization request, where there is one.
    pub device: Option<Device>,
    /// The token endpoint; absent for static credentials only.
    pub token: Option<Token>,
    /// The client's signed assertion; there for JWT bearer only.
    pub assertion: Option<Assertion>,
    /// What is exchanged; there for token exchange only.
    pub subject: Option<SubjectToken>,
    /// The call that follows the redemption of a code, where there is one.
    pub exchange: Option<Exchange>,
    /// Where a refresh differs, and what the provider does with refresh tokens.
    pub refresh: Refresh,
    /// How errors are reported.
    pub errors: Errors,
    /// How a grant is ended; absent where the provider has no way.
    pub revoke: Option<Revoke>,
    /// Who the account is; absent where there is no such call.
    pub identity: Option<Identity>,
    /// The calls for values that only the API tells.
    pub discoveries: Vec<Discovery>,
    /// Values learnt from the token answer, the callback or the identity call.
    pub captures: Vec<Capture>,
    /// Scopes that answers name otherwise, or leave to a wider one that includes them: from the one asked for to the one
    /// named.
    pub scopes_reported_as: BTreeMap<String, String>,
    /// Scopes that answers never name, though they were granted.
    pub scopes_unreported: Vec<String>,
    /// What the host of each URL has to be or end with; empty where the templates say enough.
    pub hosts: Vec<String>,
    /// Pages the facts were read from, each with the day.
    pub sources: Vec<(String, String)>,
    pub(crate) patterns: BTreeMap<String, Pattern>,
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
            .complete()
            .and_then(|document| document.into_definition(name, user_defined))
            .map_err(|why| invalid(&why))?;
        cross_check(&definition).map_err(|why| invalid(&why))?;
        Ok(definition)
    }

    /// How a connection comes by its token.
    pub fn grant_type(&self) -> GrantType {
        self.integration_type.grant_type
    }

    /// Fills a URL of this definition, and holds its host against those allowed.
    pub fn fill<'v>(
        &self,
        template: &Template,
        value: impl Fn(&str) -> Option<&'v str>,
    ) -> Result<Url, TemplateError> {
        let url = template.fill(value)?;
        if self.is_allowed(&url) {
            Ok(url)
        } else {
            Err(TemplateError::Url(
                "its host is none of those that the integration type allows",
            ))
        }
    }

    /// Whether the URL's host is one of the integration type's, where it names any.
    pub fn is_allowed(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        self.hosts.is_empty()
            || self.hosts.iter().any(|allowed| {
                host.strip_suffix(allowed.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })
    }

    /// A connection config value, or the default of its field or capture. What only operators set is the connector's as
    /// it is now: a connection may be older than that rule, or than the connector's value.
    pub fn config_value<'v>(
        &'v self,
        of_connector: &'v ConnectionConfig,
        of_connection: &'v ConnectionConfig,
        name: &str,
    ) -> Option<&'v str> {
        let fields = &self.integration_type.connection_config_fields;
        let field = fields.iter().find(|field| field.name == name);
        let values = match field {
            Some(field) if field.operator_only => of_connector,
            _ => of_connection,
        };
        values
            .get(name)
            .or_else(|| field?.default_value.as_ref())
            .map(String::as_str)
    }

    /// All captures, those of the discovery calls included.
    pub fn all_captures(&self) -> impl Iterator<Item = &Capture> {
        self.captures
            .iter()
            .chain(self.discoveries.iter().flat_map(|call| &call.capture))
    }

    /// The fields that are asked for.
    pub(crate) fn asked_fields(&self) -> impl Iterator<Item = &ConnectionConfigField> {
        self.integration_type
            .connection_config_fields
            .iter()
            .filter(|field| !field.learned)
    }

    /// One that is asked for.
    pub(crate) fn field(&self, name: &str) -> Option<&ConnectionConfigField> {
        self.asked_fields().find(|field| field.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOSTILE: &str = include_str!("../tests/hostile_values.toml");

    /// Each way in which a value may be part of a URL.
    const WAYS: [&str; 6] = [
        "https://login.example.com/{value}/token",
        "https://login.example.com/a/{value}",
        "https://{value}.example.com/token",
        "https://{value}/token",
        "https://{value}.{region}.example.com/token",
        "{value}/token",
    ];

    fn hostile() -> Vec<String> {
        let categories: BTreeMap<String, Vec<String>> =
            toml::from_str(HOSTILE).expect("the corpus is TOML");
        categories.into_values().flatten().collect()
    }

    fn definition(way: &str) -> Definition {
        let field = |name: &str| {
            format!(
                "[[connection_config]]\nname = '{name}'\ndisplay_name = ''\ndescription = ''\n\
                 pattern = '(?s).*'\npattern_error = ''\n"
            )
        };
        let text = format!(
            "[about]\ndisplay_name = 'Acme'\ndescription = ''\ncategory = ''\n\
             documentation_url = ''\nhosts = ['example.com']\n\
             [authorize]\nurl = 'https://login.example.com/'\n\
             [token]\nurl = 'https://login.example.com/'\n\
             [identity]\nurl = '{way}'\n{}{}",
            field("value"),
            field("region")
        );
        let name = IntegrationTypeName::new("acme").expect("a name");
        Definition::parse(&name, &text, true).expect("a definition")
    }

    fn check(definition: &Definition, value: &str) {
        let template = &definition.identity.as_ref().expect("an identity call").url;
        let filled = definition.fill(template, |name| match name {
            "region" => Some("eu"),
            _ => Some(value),
        });
        let Ok(url) = filled else { return };
        let host = url.host_str().unwrap_or_default();
        let way = template.to_string();
        assert_eq!(url.scheme(), "https", "{way}: {value:?} {url}");
        assert_eq!(url.username(), "", "{way}: {value:?} {url}");
        if way.starts_with("https://login") {
            assert_eq!(host, "login.example.com", "{way}: {value:?} {url}");
            assert!(url.path().contains(value), "{way}: {value:?} {url}");
        }
        assert!(
            host == "example.com" || host.ends_with(".example.com"),
            "{way}: {value:?} {url}"
        );
        if !way.starts_with('{') {
            assert_eq!(url.port(), None, "{way}: {value:?} {url}");
            assert_eq!(url.query(), None, "{way}: {value:?} {url}");
        }
    }

    #[test]
    fn no_hostile_value_moves_a_host() {
        let values = hostile();
        assert!(values.len() >= 200, "{}", values.len());
        for way in WAYS {
            let definition = definition(way);
            for value in &values {
                check(&definition, value);
                // As the end of what looks harmless, and as its beginning.
                check(&definition, &format!("acme{value}"));
                check(&definition, &format!("{value}.example.com"));
                check(&definition, &format!("https://{value}"));
                check(&definition, &format!("https://acme.example.com{value}"));
            }
        }
    }

    #[test]
    fn what_is_meant_still_passes() {
        for (way, value, url) in [
            (WAYS[0], "acme", "https://login.example.com/acme/token"),
            (WAYS[2], "acme", "https://acme.example.com/token"),
            (
                WAYS[3],
                "eu.acme.example.com",
                "https://eu.acme.example.com/token",
            ),
            (WAYS[4], "acme", "https://acme.eu.example.com/token"),
            (
                WAYS[5],
                "https://acme.example.com/v1",
                "https://acme.example.com/v1/token",
            ),
        ] {
            let definition = definition(way);
            let template = &definition.identity.as_ref().expect("an identity call").url;
            let filled = definition.fill(template, |name| match name {
                "region" => Some("eu"),
                _ => Some(value),
            });
            assert_eq!(filled.map(String::from).as_deref(), Ok(url), "{way}");
        }
    }

    #[test]
    fn what_operators_set_is_the_connector_s() {
        let name = IntegrationTypeName::new("acme").expect("a name");
        let text = "[about]\ndisplay_name = 'Acme'\ndescription = ''\ncategory = ''\n\
             documentation_url = ''\nhosts = ['example.com']\n\
             [authorize]\nurl = 'https://login.example.com/'\n\
             [token]\nurl = 'https://{host}.example.com/{path}'\n\
             [[connection_config]]\nname = 'host'\ndisplay_name = ''\ndescription = ''\n\
             pattern = '[a-z]+'\npattern_error = ''\ndefault = 'login'\noperator_only = true\n\
             [[connection_config]]\nname = 'path'\ndisplay_name = ''\ndescription = ''\n\
             pattern = '[a-z]+'\npattern_error = ''\ndefault = 'token'\n";
        let definition = Definition::parse(&name, text, true).expect("a definition");
        let values = |value: &str| {
            let names = ["host", "path"].into_iter();
            names
                .map(|name| (name.to_owned(), value.to_owned()))
                .collect()
        };
        let (connector, connection, none) = (values("a"), values("b"), ConnectionConfig::new());
        let value = |of_connector, name| definition.config_value(of_connector, &connection, name);
        assert_eq!(value(&connector, "host"), Some("a"));
        assert_eq!(value(&none, "host"), Some("login"));
        assert_eq!(value(&connector, "path"), Some("b"));
        assert_eq!(definition.config_value(&none, &none, "path"), Some("token"));
    }

    proptest! {
        #[test]
        fn nor_does_any_other(
            one in prop::sample::select(hostile()),
            other in prop::sample::select(hostile()),
            any in ".*",
        ) {
            for way in WAYS {
                let definition = definition(way);
                check(&definition, &format!("{one}{other}"));
                check(&definition, &format!("{one}{any}"));
                check(&definition, &any);
            }
        }
    }
}
