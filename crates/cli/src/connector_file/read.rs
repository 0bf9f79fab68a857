//! Reading one connector from its file.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::{ObjectProp, Value},
    common::Ranged,
    parse_to_ast,
};
use tokend_api::v1;

use super::{
    InvalidLine, KEYS, Key,
    invalid::line_of,
    key::{Form, SecretPlace},
    unwritten,
};

/// The most client secrets a connector has: one, and four to try after it.
const MOST_SECRETS: usize = 5;

/// A key that is further from every known one was meant for nothing that is there.
const MOST_SLIPS: usize = 3;

/// JSON, comments, and a comma after the last element: what editors know as JSONC. The parser would take much more.
pub(super) const JSON_WITH_COMMENTS: ParseOptions = ParseOptions {
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

/// A connector, and where it is written down.
pub(crate) struct ConnectorFile {
    /// What the file says; without secrets until they are read.
    pub(crate) connector: v1::Connector,
    pub(crate) file: PathBuf,
    pub(crate) text: String,
    pub(super) secrets: Vec<SecretPlace>,
    /// The line of each key, and of each value of the connection config as `connectionConfig.subdomain`.
    lines: BTreeMap<String, usize>,
}

impl ConnectorFile {
    /// What the server does not take of a field of the contract's, with the key that says it.
    pub(crate) fn refused(&self, field: &str, why: &str) -> InvalidLine {
        let (name, rest) = field.split_once('.').unwrap_or((field, ""));
        let why = match Key::of_field(name) {
            Some(key) if rest.is_empty() => format!("{}: {why}", key.name),
            Some(key) => format!("{}.{rest}: {why}", key.name),
            None => why.to_owned(),
        };
        self.at(field, why)
    }

    /// At the line of the contract's field (`connection_config.subdomain`), or at the first where the file does not
    /// have it.
    pub(super) fn at(&self, field: &str, why: String) -> InvalidLine {
        let (field, rest) = field.split_once('.').unwrap_or((field, ""));
        let field = field.split('[').next().unwrap_or_default();
        let line = Key::of_field(field).and_then(|key| {
            let whole = match key.form {
                Form::Secret(_) => "clientSecretEnv",
                _ => key.name,
            };
            let lines = &self.lines;
            let inner = lines.get(&format!("{}.{rest}", key.name));
            inner.or_else(|| lines.get(key.name)).or(lines.get(whole))
        });
        InvalidLine {
            file: self.file.clone(),
            line: Some(line.copied().unwrap_or(1)),
            why,
        }
    }

    /// The id of the connector it describes, as the server gives it.
    pub(crate) fn connector_id(&self) -> &str {
        match self.connector.connector_id.as_str() {
            "" => &self.connector.integration_type,
            id => id,
        }
    }
}

/// Reads one connector, and all that is wrong with it; none where not even an object is there.
pub(super) fn read(file: &Path, text: &str) -> (Option<ConnectorFile>, Vec<InvalidLine>) {
    let wrong =
        |position: usize, why: &str| (None, vec![InvalidLine::at(file, text, position, why)]);
    let parsed = match parse_to_ast(text, &CollectOptions::default(), &JSON_WITH_COMMENTS) {
        Ok(parsed) => parsed,
        Err(error) => return wrong(error.range().start, &error.kind().to_string()),
    };
    let object = match parsed.value {
        Some(Value::Object(object)) => object,
        Some(other) => return wrong(other.range().start, "must be an object"),
        None => return wrong(0, "is empty; a connector is an object"),
    };
    let mut read = ConnectorFile {
        connector: unwritten(stem(file)),
        file: file.to_owned(),
        text: text.to_owned(),
        secrets: Vec::new(),
        lines: BTreeMap::new(),
    };
    let mut errors = Vec::new();
    for property in &object.properties {
        let (name, position) = (property.name.as_str(), property.range().start);
        let line = line_of(text, position);
        if read.lines.insert(name.to_owned(), line).is_some() {
            errors.push(InvalidLine::at(
                file,
                text,
                position,
                format!("'{name}' is there twice"),
            ));
        } else if let Err(why) = read.set(property, text) {
            errors.push(InvalidLine::at(file, text, position, why));
        }
    }
    // Without one, each push would make another connector.
    if read.connector.kind() == v1::ConnectorKind::AppUser && read.connector.connector_id.is_empty()
    {
        let why = "an app_user connector needs a 'connectorId': the name that backends ask for";
        errors.push(read.at("kind", why.to_owned()));
    }
    (Some(read), errors)
}

impl ConnectorFile {
    fn set(&mut self, property: &ObjectProp<'_>, whole: &str) -> Result<(), String> {
        let (name, value) = (property.name.as_str(), &property.value);
        let key = Key::named(name).ok_or_else(|| unknown(name))?;
        let connector = &mut self.connector;
        match key.form {
            Form::Ignored => {}
            Form::Text(field) | Form::IntegrationType(field) => {
                *field(connector) = text(name, value)?;
            }
            Form::Texts(field) => *field(connector) = texts(name, value)?,
            Form::Flag(field) => match value {
                Value::BooleanLit(flag) => *field(connector) = flag.value,
                _ => return Err(format!("'{name}' must be true or false")),
            },
            Form::Word(words, field) => {
                let given = text(name, value)?;
                let known = words.iter().find(|(word, _)| *word == given);
                let (_, number) = known.ok_or_else(|| {
                    let words: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
                    format!("'{name}' must be {}, not {given:?}", words.join(" or "))
                })?;
                *field(connector) = *number;
            }
            Form::Map(field) => {
                let Value::Object(object) = value else {
                    return Err(format!("'{name}' must be an object of texts"));
                };
                let mut map = HashMap::new();
                for entry in &object.properties {
                    let inner = entry.name.as_str();
                    let line = line_of(whole, entry.range().start);
                    self.lines.insert(format!("{name}.{inner}"), line);
                    if map
                        .insert(inner.to_owned(), text(inner, &entry.value)?)
                        .is_some()
                    {
                        return Err(format!("'{name}.{inner}' is there twice"));
                    }
                }
                *field(connector) = map;
            }
            Form::Secret(place) => {
                let places = match value {
                    Value::Array(_) => texts(name, value)?,
                    _ => vec![text(name, value)?],
                };
                if !self.secrets.is_empty() {
                    return Err(
                        "name the secret with 'clientSecretFile' or with 'clientSecretEnv', not with both"
                            .to_owned(),
                    );
                }
                if places.is_empty() || places.len() > MOST_SECRETS {
                    return Err(format!("'{name}' must name 1 to {MOST_SECRETS} secrets"));
                }
                self.secrets = places.into_iter().map(place).collect();
            }
        }
        Ok(())
    }
}

fn unknown(name: &str) -> String {
    if name == "clientSecret" {
        return "'clientSecret' is not taken from files that are kept with code; name a file with \
                'clientSecretFile' or an environment variable with 'clientSecretEnv'"
            .to_owned();
    }
    let nearest = KEYS
        .iter()
        .map(|key| (strsim::damerau_levenshtein(name, key.name), key.name))
        .min()
        .filter(|(distance, _)| *distance <= MOST_SLIPS);
    if let Some((_, nearest)) = nearest {
        return format!("unknown key '{name}'; did you mean '{nearest}'?");
    }
    let allowed: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    format!("unknown key '{name}'; allowed are {}", allowed.join(", "))
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

/// The name of a file without what follows its last dot.
pub(super) fn stem(file: &Path) -> String {
    file.file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<v1::Connector, String> {
        let (read, errors) = super::read(Path::new("connectors/slack.jsonc"), text);
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        match read {
            Some(read) if lines.is_empty() => Ok(read.connector),
            _ => Err(lines.join("\n")),
        }
    }

    #[test]
    fn a_file_with_comments_is_a_connector() {
        let connector = read(
            "{\n  \"$schema\": \"x\", // ours\n  \"clientId\": \"abc\",\n  \"scopes\": [\"a\", \"b\"],\n  \"kind\": \"app_user\",\n  \"connectorId\": \"crm\",\n  \"accountChange\": \"refuse\"}",
        )
        .unwrap();
        assert_eq!(connector.integration_type, "slack");
        assert_eq!(connector.connector_id, "crm");
        assert_eq!(connector.kind(), v1::ConnectorKind::AppUser);
        assert_eq!(connector.account_change(), v1::AccountChange::Refuse);
        assert_eq!(connector.scopes, ["a", "b"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_file_line_and_what_is_allowed() {
        let cases = [
            (
                "{\n\"clientId\": \"a\",\n\"scope\": []\n}",
                ":3:",
                "unknown key 'scope'; did you mean 'scopes'?",
            ),
            (
                "{\n\"permissions\": []\n}",
                ":2:",
                "allowed are $schema, integrationType",
            ),
            ("{\n\"clientId\": 7\n}", ":2:", "must be a text"),
            (
                "{\n\n\"kind\": \"both\"}",
                ":3:",
                "\"shared\" or \"app_user\"",
            ),
            (
                "{\n\"accountChange\": \"no\"}",
                ":2:",
                "\"accept\" or \"ask\" or \"refuse\"",
            ),
            ("{\n\"scopes\": [1]}", ":2:", "list of texts"),
            ("{\n\"disabled\": 1}", ":2:", "true or false"),
            (
                "{\n\"connectionConfig\": {\"a\": 1}}",
                ":2:",
                "'a' must be a text",
            ),
            ("{\n\"clientSecretFile\": []}", ":2:", "1 to 5"),
            (
                "{\"clientSecretFile\": \"a\",\n\"clientSecretEnv\": \"b\"}",
                ":2:",
                "not with both",
            ),
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
        ];
        for (text, line, why) in cases {
            let error = read(text).expect_err(text);
            assert!(error.starts_with("connectors/slack.jsonc:"), "{error}");
            assert!(
                error.contains(line) && error.contains(why),
                "{text}: {error}"
            );
        }
        let all = read("{\n\"clientId\": 7,\n\"scopes\": 7,\n\"x\": 7}").unwrap_err();
        assert_eq!(all.lines().count(), 3, "{all}");
    }

    #[test]
    fn what_the_server_refuses_is_found_again() {
        let text = "{\n\"clientSecretEnv\": \"A\",\n\"connectionConfig\": {\n\"b\": \"c\"},\n\"scopes\": []}";
        let (read, _) = super::read(Path::new("slack.jsonc"), text);
        let read = read.unwrap();
        for (field, line) in [
            ("client_secret", 2),
            ("connection_config.b", 4),
            ("connection_config.missing", 3),
            ("scopes[3]", 5),
            ("client_id", 1),
            ("etag", 1),
        ] {
            let refused = read.refused(field, "");
            assert_eq!(refused.line, Some(line), "{field}");
        }
    }
}
