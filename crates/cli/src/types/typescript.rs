//! The names as TypeScript: unions of literals, and objects with what is known of each.

use std::fmt::{self, Write};

use serde_json::Value;

use super::facts::{Facts, HEADER};

/// The whole file.
pub(super) fn generate(facts: &Facts) -> String {
    let mut text = format!("// {HEADER}\n\n");
    // Writing to a text does not fail.
    let _ = write(&mut text, facts);
    text
}

fn write(text: &mut String, facts: &Facts) -> fmt::Result {
    let names = facts.types.iter().map(|one| one.name.as_str());
    write_union(
        text,
        "IntegrationType",
        "An integration type: a service that tokend speaks OAuth with.",
        names,
    )?;
    let categories = facts.categories.iter().map(String::as_str);
    write_union(
        text,
        "Category",
        "A group of integration types.",
        categories,
    )?;
    let shared = facts.shared.iter().map(String::as_str);
    let doc = "The integration types that have a shared connector here, for `GetConnection`.";
    write_union(text, "SharedIntegrationType", doc, shared)?;
    let ids = facts.app_user.iter().map(|one| one.id.as_str());
    let doc = "The connectors for app users' connections here, for `GetCurrentAppUserConnection`.";
    write_union(text, "AppUserConnectorId", doc, ids)?;

    writeln!(
        text,
        "/** The connection config that comes with a token, by integration type. */\n\
         export interface ConnectionConfigs {{"
    )?;
    for one in &facts.types {
        writeln!(text, "  /** {} */\n  {}: {{", one.doc, literal(&one.name))?;
        for key in &one.keys {
            let optional = if key.required { "" } else { "?" };
            let name = literal(&key.name);
            writeln!(
                text,
                "    /** {} */\n    readonly {name}{optional}: string;",
                key.doc
            )?;
        }
        writeln!(text, "  }};")?;
    }
    writeln!(
        text,
        "}}\n\n\
         /** The connection config of one integration type. */\n\
         export type ConnectionConfig<T extends IntegrationType> = ConnectionConfigs[T];\n\n\
         /** What is known of an integration type. */\n\
         export interface IntegrationTypeFacts {{\n  \
           readonly displayName: string;\n  \
           readonly category: Category;\n  \
           readonly connectionConfigKeys: readonly string[];\n\
         }}\n\n\
         /** What is known of each integration type. */\n\
         export const integrationTypes: {{ readonly [T in IntegrationType]: IntegrationTypeFacts }} = {{"
    )?;
    for one in &facts.types {
        let keys = Value::from(
            one.keys
                .iter()
                .map(|key| key.name.clone())
                .collect::<Vec<_>>(),
        );
        writeln!(
            text,
            "  /** {} */\n  {}: {{ displayName: {}, category: {}, connectionConfigKeys: {keys} }},",
            one.doc,
            literal(&one.name),
            literal(&one.display_name),
            literal(&one.category),
        )?;
    }
    writeln!(
        text,
        "}};\n\n\
         /** The integration type of each connector for app users' connections. */\n\
         export const appUserConnectors: {{ readonly [C in AppUserConnectorId]: IntegrationType }} = {{"
    )?;
    for one in &facts.app_user {
        let known = literal(&one.integration_type);
        writeln!(
            text,
            "  /** {} */\n  {}: {known},",
            one.doc,
            literal(&one.id)
        )?;
    }
    writeln!(text, "}};")
}

/// A union of literals; of none, `never`.
fn write_union<'a>(
    text: &mut String,
    name: &str,
    doc: &str,
    values: impl Iterator<Item = &'a str>,
) -> fmt::Result {
    let values: Vec<_> = values
        .map(|value| format!("\n  | {}", literal(value)))
        .collect();
    let values = match values.is_empty() {
        true => " never".to_owned(),
        false => values.concat(),
    };
    writeln!(text, "/** {doc} */\nexport type {name} ={values};\n")
}

/// A JSON string is one of TypeScript's (ECMAScript 2019 and later).
fn literal(text: &str) -> Value {
    Value::from(text)
}
