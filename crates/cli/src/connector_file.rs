//! Connectors in files: `{type}.jsonc` or `{type}.json`, one connector each, comments allowed. Whatever is wrong is
//! told with file, line and what is allowed.

use std::{
    collections::HashMap,
    fs, io,
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

/// JSON, comments, and a comma after the last element: what editors know as JSONC. The parser would take much more.
const JSON_WITH_COMMENTS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// A connector file that cannot be taken, or a folder.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {why}", .file.display(), .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub(crate) struct InvalidConnectorFile {
    file: PathBuf,
    line: Option<usize>,
    why: String,
}

/// A connector, and where it is written down.
pub(crate) struct ConnectorFile {
    pub(crate) connector: v1::Connector,
    file: PathBuf,
    lines: HashMap<String, usize>,
}

/// What a folder of connector files holds.
pub(crate) struct ConnectorFolder {
    pub(crate) files: Vec<ConnectorFile>,
    pub(crate) integration_types: Vec<v1::IntegrationTypeDefinition>,
}

impl ConnectorFile {
    /// What the server does not take, at the line of the contract's field (`connection_config.subdomain`), or at the
    /// first where the file does not have it.
    pub(crate) fn refused(&self, field: &str, why: String) -> InvalidConnectorFile {
        let name = field.split('.').next().unwrap_or_default().replace('_', "");
        let line = KEYS
            .iter()
            .find(|key| key.eq_ignore_ascii_case(&name))
            .and_then(|key| self.lines.get(*key));
        InvalidConnectorFile {
            file: self.file.clone(),
            line: Some(line.copied().unwrap_or(1)),
            why,
        }
    }
}

/// Reads all `*.jsonc`, `*.json` (connectors) and `*.toml` (integration types of one's own) in a folder, by name.
pub(crate) fn read_folder(folder: &Path) -> anyhow::Result<ConnectorFolder> {
    let nothing = |why: String| InvalidConnectorFile {
        file: folder.to_owned(),
        line: None,
        why,
    };
    let entries = fs::read_dir(folder).map_err(|error| {
        nothing(match error.kind() {
            io::ErrorKind::NotFound => {
                "there is no such folder here; make it, with one {type}.jsonc for each connector, or name another: \
                 tokend connectors push FOLDER"
                    .to_owned()
            }
            _ => error.to_string(),
        })
    })?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    let (mut connector_files, mut integration_types) = (Vec::new(), Vec::new());
    for file in files {
        let extension = file.extension().and_then(|extension| extension.to_str());
        let read = || {
            fs::read_to_string(&file).map_err(|error| InvalidConnectorFile {
                file: file.clone(),
                line: None,
                why: error.to_string(),
            })
        };
        match extension {
            Some("jsonc" | "json") => connector_files.push(read_connector(&file, &read()?)?),
            Some("toml") => integration_types.push(v1::IntegrationTypeDefinition {
                integration_type: stem(&file),
                toml: read()?,
            }),
            _ => {}
        }
    }
    if connector_files.is_empty() && integration_types.is_empty() {
        Err(nothing(
            "holds no {type}.jsonc, {type}.json or {type}.toml".to_owned(),
        ))?;
    }
    Ok(ConnectorFolder {
        files: connector_files,
        integration_types,
    })
}

/// Reads one connector.
pub(crate) fn read_connector(
    file: &Path,
    text: &str,
) -> Result<ConnectorFile, InvalidConnectorFile> {
    let wrong = |position: usize, why: String| InvalidConnectorFile {
        file: file.to_owned(),
        line: Some(line_of(text, position)),
        why,
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &JSON_WITH_COMMENTS)
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
    let mut lines = HashMap::new();
    for property in &object.properties {
        let (name, position) = (property.name.as_str(), property.range().start);
        if lines
            .insert(name.to_owned(), line_of(text, position))
            .is_some()
        {
            return Err(wrong(position, format!("'{name}' is there twice")));
        }
        set(&mut connector, property, file).map_err(|why| wrong(position, why))?;
    }
    let read = ConnectorFile {
        connector,
        file: file.to_owned(),
        lines,
    };
    // Without one, each push would make another connector.
    if read.connector.kind() == v1::ConnectorKind::AppUser && read.connector.connector_id.is_empty()
    {
        let why = "an app_user connector needs a 'connectorId': the name that backends ask for";
        return Err(read.refused("kind", why.to_owned()));
    }
    if !read.lines.contains_key("clientId") {
        let why = "'clientId' is missing: the client_id of the OAuth client that is registered at the provider";
        return Err(wrong(object.range().start, why.to_owned()));
    }
    Ok(read)
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
            connector.client_secret = secret(&read)
                .ok_or_else(|| format!("'clientSecretFile' {} is empty", path.display()))?;
        }
        "clientSecretEnv" => {
            let variable = text(name, value)?;
            let read = std::env::var(&variable)
                .map_err(|_| format!("'clientSecretEnv': the environment has no {variable}"))?;
            connector.client_secret =
                secret(&read).ok_or_else(|| format!("'clientSecretEnv': {variable} is empty"))?;
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

/// Without the line's end. None where there is none: a public client's connector names no secret at all.
fn secret(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn text(name: &str, value: &Value<'_>) -> Result<String, String> {
    match value {
        Value::StringLit(literal) => Ok(literal.value.to_string()),
        _ => Err(format!("'{name}' must be a text")),
    }
}

fn texts(name: &str, value: &Value<'_>) -> Result<Vec<String>, String> {
    let elements = match value {
        Value::Array(array) => array
            .elements
            .iter()
            .map(|element| text(name, element).ok())
            .collect(),
        _ => None,
    };
    elements.ok_or_else(|| format!("'{name}' must be a list of texts"))
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
        read_connector(Path::new("connectors/slack.jsonc"), text)
            .map(|read| read.connector)
            .map_err(|error| error.to_string())
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
            ("{\n\"kind\": \"app_user\"}", ":2:", "needs a 'connectorId'"),
            (
                "// ours\n{\n\"scopes\": []}",
                ":2:",
                "'clientId' is missing",
            ),
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

    #[test]
    fn an_empty_secret_is_not_taken_for_a_public_client() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), " \n").unwrap();
        let text = "{\n\"clientId\": \"abc\",\n\"clientSecretFile\": \"secret\"}";
        let error = read_connector(&folder.path().join("slack.jsonc"), text)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("slack.jsonc:3: "), "{error}");
        assert!(error.ends_with("secret is empty"), "{error}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap().path().join("connectors");
        let error = read_folder(&folder).err().unwrap().to_string();
        assert!(error.starts_with(&folder.display().to_string()), "{error}");
        assert!(error.contains("push FOLDER"), "{error}");
    }
}
