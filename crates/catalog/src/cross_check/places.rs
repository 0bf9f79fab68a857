//! Placeholders: each has a value to stand for it, and none lets somebody choose where secrets go who should not.

use std::collections::BTreeMap;

use crate::{Definition, Metadata, Param, Template};

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

/// From when on a value is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Before anything is sent.
    Before,
    /// Once the token is there: captures too.
    WithToken,
}

pub(super) fn check(definition: &Definition) -> Result<(), String> {
    for (key, template, known) in urls(definition) {
        check_url(definition, key, template, known)?;
    }
    for (key, params, known) in params(definition) {
        for param in params.values().filter_map(Param::name) {
            if !has_value(definition, param, known) && !is_own_value(param) {
                return Err(unknown(definition, key, param));
            }
        }
    }
    for (key, name, known) in texts(definition) {
        if !has_value(definition, &name, known) && !is_own_value(&name) {
            return Err(unknown(definition, key, &name));
        }
    }
    if let Some(name) = definition.authorize.iter().find_map(|authorize| {
        let own = |name: &&String| OWN_PARAMS.contains(&name.as_str());
        authorize.params.keys().find(own)
    }) {
        return Err(format!(
            "authorize.params.{name}: tokend sets this one itself"
        ));
    }
    let settings = [
        (
            "authorize.scope_separator",
            definition
                .authorize
                .as_ref()
                .and_then(|authorize| authorize.scope_separator.field()),
        ),
        (
            "token.auth",
            definition
                .token
                .as_ref()
                .and_then(|token| token.auth.field()),
        ),
    ];
    for (key, field) in settings {
        if let Some(name) = field {
            check_operator_only(definition, key, name)?;
        }
    }
    Ok(())
}

fn urls(definition: &Definition) -> Vec<(&'static str, &Template, Known)> {
    use Known::{Before, WithToken};
    let metadata = definition.metadata.as_ref();
    let optional = [
        ("metadata.url", metadata.map(|it| &it.url), Before),
        ("metadata.issuer", metadata.map(|it| &it.issuer), Before),
        (
            "authorize.url",
            definition.authorize.as_ref().map(|it| &it.url),
            Before,
        ),
        (
            "device.url",
            definition.device.as_ref().map(|it| &it.url),
            Before,
        ),
        (
            "token.url",
            definition.token.as_ref().map(|it| &it.url),
            Before,
        ),
        ("refresh.url", definition.refresh.url.as_ref(), Before),
        (
            "exchange.url",
            definition.exchange.as_ref().map(|it| &it.url),
            Before,
        ),
        (
            "revoke.url",
            definition.revoke.as_ref().map(|it| &it.url),
            WithToken,
        ),
        (
            "identity.url",
            definition.identity.as_ref().map(|it| &it.url),
            WithToken,
        ),
    ];
    let discoveries = definition
        .discoveries
        .iter()
        .map(|it| ("discovery.url", &it.url, WithToken));
    optional
        .into_iter()
        .filter_map(|(key, url, known)| Some((key, url?, known)))
        .chain(discoveries)
        .collect()
}

fn params(definition: &Definition) -> Vec<(&'static str, &BTreeMap<String, Param>, Known)> {
    use Known::{Before, WithToken};
    let optional = [
        (
            "authorize.params",
            definition.authorize.as_ref().map(|it| &it.params),
            Before,
        ),
        (
            "device.params",
            definition.device.as_ref().map(|it| &it.params),
            Before,
        ),
        (
            "token.params",
            definition.token.as_ref().map(|it| &it.params),
            Before,
        ),
        (
            "subject.params",
            definition.subject.as_ref().map(|it| &it.params),
            Before,
        ),
        (
            "exchange.params",
            definition.exchange.as_ref().map(|it| &it.params),
            WithToken,
        ),
        (
            "refresh.params",
            Some(&definition.refresh.params),
            WithToken,
        ),
        (
            "revoke.params",
            definition.revoke.as_ref().map(|it| &it.params),
            WithToken,
        ),
        (
            "identity.params",
            definition.identity.as_ref().map(|it| &it.params),
            WithToken,
        ),
    ];
    let discoveries = definition
        .discoveries
        .iter()
        .map(|it| ("discovery.params", &it.params, WithToken));
    optional
        .into_iter()
        .filter_map(|(key, params, known)| Some((key, params?, known)))
        .chain(discoveries)
        .collect()
}

/// The placeholders of single parameters and of texts that are not requests.
fn texts(definition: &Definition) -> Vec<(&'static str, String, Known)> {
    use Known::{Before, WithToken};
    let assertion = definition.assertion.as_ref();
    let params = [
        ("assertion.issuer", assertion.map(|it| &it.issuer)),
        (
            "assertion.subject",
            assertion.and_then(|it| it.subject.as_ref()),
        ),
        (
            "subject.token_type",
            definition.subject.as_ref().map(|it| &it.token_type),
        ),
    ];
    let params = params
        .into_iter()
        .filter_map(|(key, param)| Some((key, param?.name()?.to_owned(), Before)));
    let api = &definition.integration_type.api;
    let api = [&api.base_url, &api.token_header, &api.token_scheme]
        .into_iter()
        .chain(api.required_headers.values())
        .map(|text| ("api", text));
    let only = definition
        .discoveries
        .iter()
        .filter_map(|call| Some(("discovery.only.equals", &call.only.as_ref()?.equals)));
    let braced = api.chain(only).flat_map(|(key, text)| {
        let after = text.split('{').skip(1);
        after
            .filter_map(|rest| rest.split_once('}'))
            .map(move |(name, _)| (key, name.to_owned(), WithToken))
    });
    params.chain(braced).collect()
}

fn check_url(
    definition: &Definition,
    key: &str,
    template: &Template,
    known: Known,
) -> Result<(), String> {
    if let Some(name) = template.whole()
        && Metadata::ENDPOINTS.contains(&name)
        && definition.metadata.is_some()
    {
        return Ok(());
    }
    for name in template.placeholders() {
        // Who registered the client chose its id.
        if name != "client_id" && !has_value(definition, name, known) {
            return Err(unknown(definition, key, name));
        }
    }
    if let Some(name) = template.whole() {
        return check_operator_only(definition, key, name);
    }
    if definition.hosts.is_empty() {
        // The metadata may name endpoints anywhere: who chooses which document it is chooses those.
        let chosen_by = match key {
            "metadata.url" | "metadata.issuer" => template.placeholders(),
            _ => template.host_chosen_by(),
        };
        for name in chosen_by.into_iter().filter(|name| *name != "client_id") {
            check_operator_only(definition, key, name)
                .map_err(|why| format!("{why}, or about.hosts must say which hosts there are"))?;
        }
    }
    Ok(())
}

fn is_own_value(name: &str) -> bool {
    ["client_id", "client_secret", "token"].contains(&name)
}

fn has_value(definition: &Definition, name: &str, known: Known) -> bool {
    definition.field(name).is_some()
        || known == Known::WithToken
            && definition
                .all_captures()
                .any(|capture| capture.name == name)
}

/// Who chooses a whole URL, or how the client proves itself, chooses who receives the client's secret.
fn check_operator_only(definition: &Definition, key: &str, name: &str) -> Result<(), String> {
    match definition.field(name) {
        Some(field) if field.operator_only => Ok(()),
        Some(_) => Err(format!(
            "{key}: {{{name}}} decides where secrets go, so its connection_config field must be operator_only"
        )),
        None if definition
            .all_captures()
            .any(|capture| capture.name == name) =>
        {
            Err(format!(
                "{key}: {{{name}}} is learnt and decides where secrets go"
            ))
        }
        None => Err(unknown(definition, key, name)),
    }
}

fn unknown(definition: &Definition, key: &str, name: &str) -> String {
    let known: Vec<&str> = definition
        .integration_type
        .connection_config_fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    format!(
        "{key}: there is no connection_config field for {{{name}}}, or its value comes too late; there are: {}",
        known.join(", ")
    )
}
