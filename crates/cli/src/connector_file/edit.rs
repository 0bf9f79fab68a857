//! Writing a connector into a file: a new one, or one that stands, of which only the values that changed are touched.

use std::collections::HashMap;

use jsonc_parser::cst::{CstArray, CstInputValue, CstObject, CstRootNode};
use serde_json::Value;
use tokend_api::v1;

use super::{
    ConnectorFile, InvalidLine, KEYS, Key, key::Form, read::JSON_WITH_COMMENTS, unwritten,
};

const SECRET_HINT: &str = "  // Its client secret stays on the server. To push it from here, name it: \"clientSecretFile\" or \
     \"clientSecretEnv\".\n";

/// The text of a new file for a connector; `stem` is the file's name, which says the integration type where it can.
pub(crate) fn written(connector: &v1::Connector, stem: &str) -> String {
    let mut unwritten = unwritten(stem.to_owned());
    let mut connector = normal(connector);
    let mut text = "{\n".to_owned();
    if connector.client_secret_set {
        text.push_str(SECRET_HINT);
    }
    let mut lines = Vec::new();
    for key in &KEYS {
        if let Some(value) = changed(key, &mut unwritten, &mut connector) {
            // Pretty and one level in.
            let value = format!("{value:#}").replace('\n', "\n  ");
            lines.push(format!("  {}: {value}", Value::from(key.name)));
        }
    }
    text.push_str(&lines.join(",\n"));
    text.push_str("\n}\n");
    text
}

/// The file's text with the values of the connector, where they differ: comments, order and formatting stay. The
/// places of secrets are the file's own.
pub(crate) fn edited(
    file: &ConnectorFile,
    connector: &v1::Connector,
) -> Result<String, InvalidLine> {
    let unreadable = |why: &str| InvalidLine::of(&file.file, why);
    let root = CstRootNode::parse(&file.text, &JSON_WITH_COMMENTS)
        .map_err(|error| unreadable(&error.to_string()))?;
    let object = root
        .object_value()
        .ok_or_else(|| unreadable("must be an object"))?;
    let (mut before, mut after) = (normal(&file.connector), normal(connector));
    for key in &KEYS {
        let Some(value) = changed(key, &mut before, &mut after) else {
            continue;
        };
        let Some(property) = object.get(key.name) else {
            object.append(key.name, input(&value));
            continue;
        };
        let edited = match (&value, property.array_value(), property.object_value()) {
            (Value::Array(_), Some(array), _) => edit_list(&array, &value),
            (Value::Object(_), _, Some(inner)) => {
                edit_map(&inner, &value);
                true
            }
            _ => false,
        };
        if !edited {
            property.set_value(input(&value));
        }
    }
    Ok(root.to_string())
}

/// The connector with every default as a file without the key means it.
fn normal(connector: &v1::Connector) -> v1::Connector {
    let mut connector = connector.clone();
    // A shared connector's id is its type's name unless said.
    if connector.kind() == v1::ConnectorKind::Shared
        && connector.connector_id == connector.integration_type
    {
        connector.connector_id.clear();
    }
    if connector.account_change() == v1::AccountChange::Unspecified {
        connector.account_change = v1::AccountChange::Accept.into();
    }
    connector
}

/// What a key has to say after a change; None where that is what it said before.
fn changed(key: &Key, before: &mut v1::Connector, after: &mut v1::Connector) -> Option<Value> {
    match key.form {
        Form::Ignored | Form::Secret(_) => None,
        Form::Text(field) | Form::IntegrationType(field) => {
            differing(field(before), field(after)).map(|text| Value::from(text.as_str()))
        }
        Form::Texts(field) => {
            differing(field(before), field(after)).map(|texts| Value::from(texts.clone()))
        }
        Form::Flag(field) => differing(field(before), field(after)).map(|flag| Value::from(*flag)),
        Form::Map(field) => differing(field(before), field(after)).map(sorted),
        Form::Word(words, field) => {
            let number = differing(field(before), field(after))?;
            let (word, _) = words.iter().find(|(_, word)| word == number)?;
            Some(Value::from(*word))
        }
    }
}

fn differing<'a, T: PartialEq>(before: &T, after: &'a T) -> Option<&'a T> {
    (before != after).then_some(after)
}

fn sorted(map: &HashMap<String, String>) -> Value {
    let pairs = map.iter();
    Value::Object(
        pairs
            .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
            .collect(),
    )
}

/// Takes out what is gone and puts in what is new, so that the others keep their comments; false where the order
/// differs otherwise.
fn edit_list(array: &CstArray, wanted: &Value) -> bool {
    let Value::Array(wanted) = wanted else {
        return false;
    };
    let told = |node: &jsonc_parser::cst::CstNode| {
        let text = node.as_string_lit()?.decoded_value().ok()?;
        Some(Value::from(text))
    };
    let mut rest = wanted.iter().peekable();
    for element in array.elements() {
        // What stands is kept where the wanted list has it at or after the place reached.
        let kept = told(&element).is_some_and(|value| {
            let found = rest.clone().any(|one| *one == value);
            if found {
                while rest.next_if(|one| **one != value).is_some() {}
                rest.next();
            }
            found
        });
        if !kept {
            element.remove();
        }
    }
    for (index, value) in wanted.iter().enumerate() {
        let present = array.elements().get(index).and_then(told);
        if present.as_ref() != Some(value) {
            array.insert(index, input(value));
        }
    }
    let all: Vec<_> = array.elements().iter().filter_map(told).collect();
    all == *wanted
}

fn edit_map(object: &CstObject, wanted: &Value) {
    let Value::Object(wanted) = wanted else {
        return;
    };
    for property in object.properties() {
        let name = property.decoded_name().unwrap_or_default();
        if !wanted.contains_key(&name) {
            property.remove();
        }
    }
    for (name, value) in wanted {
        let Some(property) = object.get(name) else {
            object.append(name, input(value));
            continue;
        };
        let present = property.value().and_then(|node| node.as_string_lit());
        let present = present.and_then(|literal| literal.decoded_value().ok());
        if present.as_deref() != value.as_str() {
            property.set_value(input(value));
        }
    }
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(flag) => CstInputValue::Bool(*flag),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(values) => CstInputValue::Array(values.iter().map(input).collect()),
        Value::Object(map) => {
            let pairs = map.iter();
            CstInputValue::Object(pairs.map(|(key, one)| (key.clone(), input(one))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> ConnectorFile {
        let (file, errors) = super::super::read::read(Path::new("slack.jsonc"), text);
        assert_eq!(errors, [], "{text}");
        file.unwrap()
    }

    const FILE: &str = r#"// ours
{
  /* as registered */ "clientId": "abc",
  "clientSecretFile": "../secrets/slack", // rotated in May
  "scopes": [
    "a", // needed
    "b",
    // for the report
    "c"
  ],
  "connectionConfig": {
    "subdomain": "acme" // ours, too
  },
}
"#;

    #[test]
    fn what_did_not_change_is_not_touched() {
        let file = read(FILE);
        assert_eq!(edited(&file, &file.connector).unwrap(), FILE);
        let named = v1::Connector {
            connector_id: "slack".to_owned(),
            account_change: 0,
            ..file.connector.clone()
        };
        assert_eq!(edited(&file, &named).unwrap(), FILE);
    }

    #[test]
    fn only_the_values_that_changed_are_edited() {
        let file = read(FILE);
        let mut wanted = file.connector.clone();
        wanted.client_id = "a\"b\\c\u{7}\u{2028}é".to_owned();
        wanted.scopes = ["a", "x", "c", "d"].map(str::to_owned).into();
        wanted.connection_config = [("subdomain", "umbrella"), ("region", "eu")]
            .map(own)
            .into();
        wanted.disabled = true;
        let text = edited(&file, &wanted).unwrap();
        for kept in [
            "// ours\n",
            "/* as registered */ \"clientId\":",
            "\"clientSecretFile\": \"../secrets/slack\", // rotated in May",
            "\"a\", // needed",
            "// for the report",
            "// ours, too",
        ] {
            assert!(text.contains(kept), "{kept} is not in {text}");
        }
        assert!(!text.contains("\"b\""), "{text}");
        let again = read(&text);
        assert_eq!(normal(&again.connector), normal(&wanted), "{text}");
        assert_eq!(again.secrets, file.secrets);
        wanted.disabled = false;
        let text = edited(&again, &wanted).unwrap();
        assert!(text.contains("\"disabled\": false"), "{text}");
    }

    #[test]
    fn any_list_becomes_any_other() {
        let lists: Vec<Vec<String>> = ["", "a", "b,a", "a,b,c", "c,a", "a,a", "d,c,b,a"]
            .map(|list| list.split_terminator(',').map(str::to_owned).collect())
            .into();
        for before in &lists {
            for after in &lists {
                let elements: Vec<_> = before.iter().map(|one| format!("{one:?}")).collect();
                for text in [
                    format!("{{\"scopes\": [{}]}}", elements.join(", ")),
                    format!(
                        "{{\n  \"scopes\": [\n    {}\n  ]\n}}",
                        elements.join(", // x\n    ")
                    ),
                ] {
                    let file = read(&text);
                    let mut wanted = file.connector.clone();
                    wanted.scopes.clone_from(after);
                    let edited = edited(&file, &wanted).unwrap();
                    assert_eq!(read(&edited).connector.scopes, *after, "{text} {edited}");
                }
            }
        }
    }

    #[test]
    fn a_new_file_reads_as_what_was_written() {
        let connector = v1::Connector {
            connector_id: "crm-eu".to_owned(),
            integration_type: "hubspot".to_owned(),
            kind: v1::ConnectorKind::AppUser.into(),
            client_id: "a \"b\"".to_owned(),
            client_secret_set: true,
            scopes: vec!["x".to_owned(), "y".to_owned()],
            connection_config: [("b", "1"), ("a", "2")].map(own).into(),
            account_change: v1::AccountChange::Ask.into(),
            ..Default::default()
        };
        let text = written(&connector, "crm-eu");
        assert!(text.contains("clientSecretEnv"), "{text}");
        let mut again = read(&text).connector;
        again.client_secret_set = true;
        assert_eq!(again, connector, "{text}");

        let shared = v1::Connector {
            kind: v1::ConnectorKind::Shared.into(),
            client_id: "a".to_owned(),
            ..connector
        };
        let shared = v1::Connector {
            connector_id: "hubspot".to_owned(),
            client_secret_set: false,
            scopes: Vec::new(),
            connection_config: HashMap::new(),
            account_change: 0,
            ..shared
        };
        let text = written(&shared, "hubspot");
        assert_eq!(text, "{\n  \"clientId\": \"a\"\n}\n");
    }

    fn own((key, value): (&str, &str)) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }
}
