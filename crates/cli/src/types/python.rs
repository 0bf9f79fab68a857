//! The names as Python: enums, and mappings with what is known of each.

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
        "# {HEADER}\n\nfrom __future__ import annotations\n\nfrom enum import Enum\nfrom typing import Mapping\n\n\n"
    );
    // Writing to a text does not fail.
    let _ = write(&mut text, facts);
    text
}

fn write(text: &mut String, facts: &Facts) -> fmt::Result {
    let names = facts.types.iter().map(|one| one.name.as_str());
    let types = identifiers(names, Case::Upper, "TYPE_", &[]);
    let categories = facts.categories.iter().map(String::as_str);
    let categories = identifiers(categories, Case::Upper, "CATEGORY_", &[]);
    let ids = facts.app_user.iter().map(|one| one.id.as_str());
    let ids = identifiers(ids, Case::Upper, "CONNECTOR_", &[]);

    let docs = facts
        .types
        .iter()
        .map(|one| (one.name.as_str(), one.doc.as_str()));
    let doc = "An integration type: a service that tokend speaks OAuth with.";
    write_enum(text, "IntegrationType", doc, &types, &docs.collect())?;
    let doc = "A group of integration types.";
    write_enum(text, "Category", doc, &categories, &BTreeMap::new())?;
    let docs = facts
        .app_user
        .iter()
        .map(|one| (one.id.as_str(), one.doc.as_str()));
    let doc = "A connector for app users' connections here, for GetCurrentAppUserConnection.";
    write_enum(text, "AppUserConnector", doc, &ids, &docs.collect())?;

    let rows = facts.types.iter().map(|one| {
        let name = &types[one.name.as_str()];
        format!(
            "    IntegrationType.{name}: {},\n",
            literal(&one.display_name)
        )
    });
    let doc = "The names for people.";
    write_mapping(text, doc, "DISPLAY_NAMES", "IntegrationType, str", rows)?;
    let rows = facts.types.iter().map(|one| {
        let (name, category) = (
            &types[one.name.as_str()],
            &categories[one.category.as_str()],
        );
        format!("    IntegrationType.{name}: Category.{category},\n")
    });
    let doc = "The group that each integration type belongs to.";
    write_mapping(text, doc, "CATEGORIES", "IntegrationType, Category", rows)?;
    let rows = facts.types.iter().map(|one| {
        let keys = one
            .keys
            .iter()
            .map(|key| format!("        # {}\n        {},\n", key.doc, literal(&key.name)));
        let keys: String = keys.collect();
        let name = &types[one.name.as_str()];
        match keys.is_empty() {
            true => format!("    IntegrationType.{name}: (),\n"),
            false => format!("    IntegrationType.{name}: (\n{keys}    ),\n"),
        }
    });
    let doc = "The keys of the connection config of each integration type.";
    let types_of = "IntegrationType, tuple[str, ...]";
    write_mapping(text, doc, "CONNECTION_CONFIG_KEYS", types_of, rows)?;
    let rows = facts.app_user.iter().map(|one| {
        let (id, known) = (&ids[one.id.as_str()], &types[one.integration_type.as_str()]);
        format!("    AppUserConnector.{id}: IntegrationType.{known},\n")
    });
    let doc = "The integration type of each connector for app users' connections.";
    let types_of = "AppUserConnector, IntegrationType";
    write_mapping(text, doc, "APP_USER_CONNECTORS", types_of, rows)?;

    let shared = facts.shared.iter().map(|name| &types[name.as_str()]);
    let shared: String = shared
        .map(|name| format!("    IntegrationType.{name},\n"))
        .collect();
    writeln!(
        text,
        "# The integration types that have a shared connector here, for GetConnection.\n\
         SHARED_CONNECTORS: frozenset[IntegrationType] = frozenset((\n{shared}))"
    )
}

fn write_enum(
    text: &mut String,
    name: &str,
    doc: &str,
    members: &BTreeMap<&str, String>,
    docs: &BTreeMap<&str, &str>,
) -> fmt::Result {
    writeln!(text, "class {name}(str, Enum):\n    \"\"\"{doc}\"\"\"\n")?;
    for (value, member) in members {
        let doc = docs.get(value).map_or(*value, |doc| doc);
        writeln!(text, "    # {doc}\n    {member} = {}", literal(value))?;
    }
    writeln!(text, "\n")
}

fn write_mapping(
    text: &mut String,
    doc: &str,
    name: &str,
    types: &str,
    rows: impl Iterator<Item = String>,
) -> fmt::Result {
    let rows: String = rows.collect();
    writeln!(text, "# {doc}\n{name}: Mapping[{types}] = {{\n{rows}}}\n")
}

/// A JSON string is one of Python's: its escapes are the same, and what lies beyond them is not escaped.
fn literal(text: &str) -> Value {
    Value::from(text)
}
