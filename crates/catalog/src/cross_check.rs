//! What must hold between the parts of a definition, beyond what the reading of each part checks.

use std::collections::BTreeSet;

use crate::{Definition, Template};

/// Parameters that the OAuth crate sets itself.
const OWN_PARAMS: [&str; 8] = [
    "response_type",
    "client_id",
    "client_secret",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
    "scope",
];

/// Says at which key and why, if something does not fit.
pub(crate) fn cross_check(definition: &Definition) -> Result<(), String> {
    check_names(definition)?;
    for (key, template) in urls(definition) {
        check_placeholders(definition, key, template)?;
    }
    for (key, field) in [
        (
            "authorize.scope_separator",
            definition.authorize.scope_separator.field(),
        ),
        ("token.auth", definition.token.auth.field()),
    ] {
        if let Some(name) = field {
            check_operator_only(definition, key, name)?;
        }
    }
    if let Some(param) = definition
        .authorize
        .params
        .keys()
        .find(|param| OWN_PARAMS.contains(&param.as_str()))
    {
        return Err(format!(
            "authorize.params.{param}: tokend sets this one itself"
        ));
    }
    if definition
        .revoke
        .as_ref()
        .is_some_and(|revoke| revoke.accepts.is_empty())
    {
        return Err("revoke.accepts: name refresh_token, access_token or both".to_owned());
    }
    Ok(())
}

fn urls(definition: &Definition) -> Vec<(&'static str, &Template)> {
    let mut urls = vec![
        ("authorize.url", &definition.authorize.url),
        ("token.url", &definition.token.url),
    ];
    urls.extend(
        definition
            .revoke
            .iter()
            .map(|revoke| ("revoke.url", &revoke.url)),
    );
    urls.extend(
        definition
            .identity
            .iter()
            .map(|identity| ("identity.url", &identity.url)),
    );
    urls
}

fn check_names(definition: &Definition) -> Result<(), String> {
    let fields = &definition.integration_type.connection_config_fields;
    let names = fields
        .iter()
        .map(|field| ("connection_config", &field.name))
        .chain(
            definition
                .captures
                .iter()
                .map(|capture| ("capture", &capture.name)),
        );
    let mut seen = BTreeSet::from(["client_id"]);
    for (section, name) in names {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(format!(
                "{section}: the name {name:?} must consist of a-z, 0-9 and '_'"
            ));
        }
        if !seen.insert(name) {
            return Err(format!(
                "{section}: the name {name:?} is taken; each field and capture has its own"
            ));
        }
    }
    for field in fields {
        let fits = |value: &String| {
            definition
                .patterns
                .get(&field.name)
                .is_some_and(|pattern| pattern.matches(value))
        };
        if !field.default_value.as_ref().is_none_or(fits) {
            return Err(format!(
                "connection_config {}: default does not match pattern",
                field.name
            ));
        }
    }
    Ok(())
}

fn check_placeholders(
    definition: &Definition,
    key: &str,
    template: &Template,
) -> Result<(), String> {
    for name in template.placeholders() {
        // The client id is the connector's, for URLs such as that of a revocation.
        if name == "client_id" && key == "revoke.url" && template.whole().is_none() {
            continue;
        }
        if definition.field(name).is_none() {
            return Err(unknown_field(definition, key, name));
        }
    }
    match template.whole() {
        Some(name) => check_operator_only(definition, key, name),
        None => Ok(()),
    }
}

/// Who chooses a whole URL, or how the client proves itself, chooses who receives the client's secret.
fn check_operator_only(definition: &Definition, key: &str, name: &str) -> Result<(), String> {
    match definition.field(name) {
        None => Err(unknown_field(definition, key, name)),
        Some(field) if field.operator_only => Ok(()),
        Some(_) => Err(format!(
            "{key}: {{{name}}} decides where secrets go, so its connection_config field must be operator_only"
        )),
    }
}

fn unknown_field(definition: &Definition, key: &str, name: &str) -> String {
    let known: Vec<&str> = definition
        .integration_type
        .connection_config_fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    format!(
        "{key}: there is no connection_config field for {{{name}}}; there are: {}",
        known.join(", ")
    )
}
