//! The JSON Schema of connector files, so that editors complete and check them.

use serde_json::{Map, Value, json};

use super::{KEYS, key::Form};

const TEXTS: fn() -> Value = || json!({ "type": "array", "items": { "type": "string" } });

/// The schema (draft 7, which editors know best); `integration_types` are those to complete. Others are taken too:
/// types of one's own.
pub(crate) fn schema(integration_types: &[String]) -> Value {
    let properties: Map<_, _> = KEYS
        .iter()
        .map(|key| {
            let mut property = form(key.form, integration_types);
            property["description"] = key.description.into();
            (key.name.to_owned(), property)
        })
        .collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "Written by 'tokend connectors schema'.",
        "title": "tokend connector",
        "description": "An integration type set up with client credentials and scopes. See docs/connectors.md.",
        "type": "object",
        "allowTrailingCommas": true,
        "additionalProperties": false,
        "properties": properties,
        "allOf": [
            {
                "if": { "properties": { "kind": { "const": "app_user" } }, "required": ["kind"] },
                "then": { "required": ["connectorId"] },
            },
            { "not": { "required": ["clientSecretFile", "clientSecretEnv"] } },
        ],
    })
}

fn form(form: Form, integration_types: &[String]) -> Value {
    match form {
        Form::Ignored | Form::Text(_) => json!({ "type": "string" }),
        Form::IntegrationType(_) => json!({
            "anyOf": [
                { "enum": integration_types },
                { "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$" },
            ],
        }),
        Form::Texts(_) => TEXTS(),
        Form::Map(_) => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Form::Flag(_) => json!({ "type": "boolean", "default": false }),
        Form::Word(words, _) => {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            json!({ "enum": words, "default": words.first() })
        }
        Form::Secret(_) => json!({
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 5 },
            ],
        }),
    }
}
