//! Connectors in files: `{type}.jsonc` or `{type}.json`, one connector each, comments allowed. Whatever is wrong is
//! told with file, line and what is allowed.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::{ObjectProp, Value},
    common::Ranged,
    parse_to_ast,
};
use tokend_api::v1;

const KEYS: [&str; 11] = [
    "integrationType",
    "connectorId",
    "kind",
    "displayName",
    "clientId",
    "clientSecretFile",
    "clientSecretEnv",
    "scopes",
    "connectionConfig",
    "returnUrls",
    "disabled",
];

/// A connector file that cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}: {why}", .file.display())]
pub(crate) struct InvalidConnectorFile {
    file: PathBuf,
    line: usize,
    why: String,
}

/// What a folder of connector files holds.
pub(crate) struct ConnectorFolder {
    pub(crate) connectors: Vec<v1::Connector>,
    pub(crate) integration_types: Vec<v1::IntegrationTypeDefinition>,
}

/// Reads all `*.jsonc`, `*.json` (connectors) and `*.toml` (integration types of one's own) in a folder, by name.
pub(crate) fn read_folder(folder: &Path) -> anyhow::Result<ConnectorFolder> {
    let nothing = |why: String| InvalidConnectorFile {
        file: folder.to_owned(),
        line: 0,
        why,
    };
    let entries = fs::read_dir(folder).map_err(|error| nothing(error.to_string()))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    let (mut connectors, mut integration_types) = (Vec::new(), Vec::new());
    for file in files {
        let extension = file.extension().and_then(|extension| extension.to_str());
        let read = || {
            fs::read_to_string(&file).map_err(|error| InvalidConnectorFile {
                file: file.clone(),
                line: 0,
                why: error.to_string(),
            })
        };
        match extension {
            Some("jsonc" | "json") => connectors.push(read_connector(&file, &read()?)?),
            Some("toml") => integration_types.push(v1::IntegrationTypeDefinition {
                integration_type: stem(&file),
                toml: read()?,
            }),
            _ => {}
        }
    }
    if connectors.is_empty() && integration_types.is_empty() {
        Err(nothing(
            "holds no {type}.jsonc, {type}.json or {type}.toml".to_owned(),
        ))?;
    }
    Ok(ConnectorFolder {
        connectors,
        integration_types,
    })
}

/// Reads one connector.
pub(crate) fn read_connector(
    file: &Path,
    text: &str,
) -> Result<v1::Connector, InvalidConnectorFile> {
    let wrong = |position: usize, why: String| InvalidConnectorFile {
        file: file.to_owned(),
        line: line_of(text, position),
        why,
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default())
        .map_err(|error| wrong(error.range().start, error.kind().to_string()))?;
    let object = match parsed.value {
        Some(Value::Object(object)) => object,
        Some(other) => return Err(wrong(other.range().start, "must be an object".to_owned())),
        None => return Err(wrong(0, "is empty; a connector is an object".to_owned())),
    };
    let mut connector = v1::Connector {
        integration_type: stem(file),
        kind: v1::ConnectorKind::Shared.into(),
        ..Default::default()
    };
    let mut seen = HashMap::new();
    for property in &object.properties {
        let name = property.name.as_str();
        if seen.insert(name.to_owned(), ()).is_some() {
            return Err(wrong(
                property.range().start,
                format!("'{name}' is there twice"),
            ));
        }
        set(&mut connector, property, file).map_err(|why| wrong(property.range().start, why))?;
    }
    Ok(connector)
}

fn set(
    connector: &mut v1::Connector,
    property: &ObjectProp<'_>,
    file: &Path,
) -> Result<(), String> {
    let (name, value) = (property.name.as_str(), &property.value);
    match name {
        "integrationType" => connector.integration_type = text(name, value)?,
        "connectorId" => connector.connector_id = text(name, value)?,
        "displayName" => connector.display_name = text(name, value)?,
        "clientId" => connector.client_id = text(name, value)?,
        "scopes" => connector.scopes = texts(name, value)?,
        "returnUrls" => connector.return_urls = texts(name, value)?,
        "kind" => {
            connector.kind = match text(name, value)?.as_str() {
                "shared" => v1::ConnectorKind::Shared.into(),
                "app_user" => v1::ConnectorKind::AppUser.into(),
                other => {
                    return Err(format!(
                        "'kind' must be \"shared\" or \"app_user\", not {other:?}"
                    ));
                }
            }
        }
        "disabled" => match value {
            Value::BooleanLit(flag) => connector.disabled = flag.value,
            _ => return Err("'disabled' must be true or false".to_owned()),
        },
        "connectionConfig" => {
            let Value::Object(object) = value else {
                return Err("'connectionConfig' must be an object of texts".to_owned());
            };
            for field in &object.properties {
                let key = field.name.as_str();
                connector
                    .connection_config
                    .insert(key.to_owned(), text(key, &field.value)?);
            }
        }
        "clientSecretFile" => {
            let path = file
                .parent()
                .unwrap_or(Path::new("."))
                .join(text(name, value)?);
            let read = fs::read_to_string(&path)
                .map_err(|error| format!("'clientSecretFile' {}: {error}", path.display()))?;
            connector.client_secret = read.trim().to_owned();
        }
        "clientSecretEnv" => {
            let variable = text(name, value)?;
            connector.client_secret = std::env::var(&variable)
                .map_err(|_| format!("'clientSecretEnv': the environment has no {variable}"))?;
        }
        "clientSecret" => {
            return Err(
                "'clientSecret' is not taken from files that are kept with code; name a file with \
                 'clientSecretFile' or an environment variable with 'clientSecretEnv'"
                    .to_owned(),
            );
        }
        unknown => {
            return Err(format!(
                "unknown key '{unknown}'; allowed are {}",
                KEYS.join(", ")
            ));
        }
    }
    Ok(())
}

fn text(name: &str, value: &Value<'_>) -> Result<String, String> {
    match value {
        Value::StringLit(literal) => Ok(literal.value.to_string()),
        _ => Err(format!("'{name}' must be a text")),
    }
}

fn texts(name: &str, value: &Value<'_>) -> Result<Vec<String>, String> {
    match value {
        Value::Array(array) => array
            .elements
            .iter()
            .map(|element| text(name, element))
            .collect(),
        _ => Err(format!("'{name}' must be a list of texts")),
    }
}

fn stem(file: &Path) -> String {
    file.file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default()
        .to_owned()
}

fn line_of(text: &str, position: usize) -> usize {
    text.bytes()
        .take(position)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<v1::Connector, String> {
        read_connector(Path::new("connectors/slack.jsonc"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_with_comments_is_a_connector() {
        let connector = read(
            "{\n  // ours\n  \"clientId\": \"abc\",\n  \"scopes\": [\"a\", \"b\"],\n  \"kind\": \"app_user\",\n  \"connectorId\": \"crm\"\n}",
        )
        .unwrap();
        assert_eq!(connector.integration_type, "slack");
        assert_eq!(connector.connector_id, "crm");
        assert_eq!(connector.kind(), v1::ConnectorKind::AppUser);
        assert_eq!(connector.scopes, ["a", "b"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_file_line_and_what_is_allowed() {
        let cases = [
            (
                "{\n\"clientId\": \"a\",\n\"scope\": []\n}",
                ":3:",
                "allowed are integrationType",
            ),
            ("{\n\"clientId\": 7\n}", ":2:", "must be a text"),
            (
                "{\n\n\"kind\": \"both\"}",
                ":3:",
                "\"shared\" or \"app_user\"",
            ),
            ("{\n\"scopes\": [1]}", ":2:", "list of texts"),
            ("{\n\"clientId\": \"a\"\n\"kind\"", ":", ""),
            ("[]", ":1:", "must be an object"),
            ("", ":1:", "is empty"),
            (
                "{\"clientId\": \"a\",\n\"clientId\": \"b\"}",
                ":2:",
                "twice",
            ),
            ("{\"clientSecret\": \"x\"}", ":1:", "clientSecretFile"),
        ];
        for (text, line, why) in cases {
            let error = read(text).expect_err(text);
            assert!(error.starts_with("connectors/slack.jsonc:"), "{error}");
            assert!(
                error.contains(line) && error.contains(why),
                "{text}: {error}"
            );
        }
    }
}
