//! The names as Go: typed constants, and methods with what is known of each.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use serde_json::Value;

use super::{
    facts::{Facts, HEADER},
    identifier::{Case, identifiers},
};

/// The whole file.
pub(super) fn generate(facts: &Facts) -> String {
    let mut text = format!(
        "// {HEADER}\n\n// Package tokendtypes has the integration types and connectors of a tokend installation.\npackage tokendtypes\n\n"
    );
    // Writing to a text does not fail.
    let _ = write(&mut text, facts);
    text
}

fn write(text: &mut String, facts: &Facts) -> fmt::Result {
    let names = facts.types.iter().map(|one| one.name.as_str());
    let types = prefixed("IntegrationType", names);
    let categories = prefixed("Category", facts.categories.iter().map(String::as_str));
    let ids = facts.app_user.iter().map(|one| one.id.as_str());
    let ids = prefixed("AppUserConnector", ids);

    let docs = facts
        .types
        .iter()
        .map(|one| (one.name.as_str(), one.doc.as_str()));
    let doc = "is an integration type: a service that tokend speaks OAuth with.";
    write_constants(text, "IntegrationType", doc, &types, &docs.collect())?;
    let doc = "is a group of integration types.";
    write_constants(text, "Category", doc, &categories, &BTreeMap::new())?;
    let docs = facts
        .app_user
        .iter()
        .map(|one| (one.id.as_str(), one.doc.as_str()));
    let doc = "is a connector for app users' connections here, for GetCurrentAppUserConnection.";
    write_constants(text, "AppUserConnector", doc, &ids, &docs.collect())?;

    let rows = facts.types.iter().map(|one| {
        (
            types[one.name.as_str()].clone(),
            literal(&one.display_name).to_string(),
        )
    });
    let doc = "DisplayName is the name for people.";
    write_method(
        text,
        doc,
        "IntegrationType",
        "DisplayName",
        "string",
        "\"\"",
        rows,
    )?;
    let rows = facts.types.iter().map(|one| {
        (
            types[one.name.as_str()].clone(),
            categories[one.category.as_str()].clone(),
        )
    });
    let doc = "Category is the group it belongs to.";
    write_method(
        text,
        doc,
        "IntegrationType",
        "Category",
        "Category",
        "\"\"",
        rows,
    )?;
    let with_keys = facts.types.iter().filter(|one| !one.keys.is_empty());
    let rows = with_keys.map(|one| {
        let keys: Vec<_> = one
            .keys
            .iter()
            .map(|key| literal(&key.name).to_string())
            .collect();
        (
            types[one.name.as_str()].clone(),
            format!("[]string{{{}}}", keys.join(", ")),
        )
    });
    let doc = "ConnectionConfigKeys are the keys of its connection config.";
    write_method(
        text,
        doc,
        "IntegrationType",
        "ConnectionConfigKeys",
        "[]string",
        "nil",
        rows,
    )?;
    let rows = facts.app_user.iter().map(|one| {
        (
            ids[one.id.as_str()].clone(),
            types[one.integration_type.as_str()].clone(),
        )
    });
    let doc = "IntegrationType is its integration type.";
    write_method(
        text,
        doc,
        "AppUserConnector",
        "IntegrationType",
        "IntegrationType",
        "\"\"",
        rows,
    )?;

    let shared = facts.shared.iter().map(|name| &types[name.as_str()]);
    let shared: String = shared.map(|name| format!("\t{name},\n")).collect();
    writeln!(
        text,
        "// SharedConnectors are the integration types that have a shared connector here, for GetConnection.\n\
         var SharedConnectors = {}",
        list("IntegrationType", &shared)
    )
}

/// Identifiers with what keeps those of one kind apart from all others; it also keeps each from being a keyword.
fn prefixed<'a>(kind: &str, names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, String> {
    let plain = identifiers(names, Case::Pascal, "", &[]);
    let prefixed = plain.into_iter();
    prefixed
        .map(|(name, plain)| (name, format!("{kind}{plain}")))
        .collect()
}

fn write_constants(
    text: &mut String,
    name: &str,
    doc: &str,
    members: &BTreeMap<&str, String>,
    docs: &BTreeMap<&str, &str>,
) -> fmt::Result {
    writeln!(text, "// {name} {doc}\ntype {name} string\n")?;
    for (value, member) in members {
        let doc = docs.get(value).map_or(*value, |doc| doc);
        writeln!(
            text,
            "// {member} is {doc}\nconst {member} {name} = {}\n",
            literal(value)
        )?;
    }
    let all: String = members
        .values()
        .map(|member| format!("\t{member},\n"))
        .collect();
    writeln!(
        text,
        "// All{name}s are all of them, by name.\nvar All{name}s = {}\n",
        list(name, &all)
    )
}

fn write_method(
    text: &mut String,
    doc: &str,
    receiver: &str,
    name: &str,
    answer: &str,
    nothing: &str,
    rows: impl Iterator<Item = (String, String)>,
) -> fmt::Result {
    writeln!(
        text,
        "// {doc}\nfunc (name {receiver}) {name}() {answer} {{\n\tswitch name {{"
    )?;
    for (member, value) in rows {
        writeln!(text, "\tcase {member}:\n\t\treturn {value}")?;
    }
    writeln!(text, "\t}}\n\treturn {nothing}\n}}\n")
}

/// A slice, as gofmt writes it.
fn list(name: &str, rows: &str) -> String {
    match rows.is_empty() {
        true => format!("[]{name}{{}}"),
        false => format!("[]{name}{{\n{rows}}}"),
    }
}

/// A JSON string is one of Go's: none of its escapes means anything else there.
fn literal(text: &str) -> Value {
    Value::from(text)
}
