//! A line of an import: one `ImportConnectionRequest` as proto3 JSON. What is wrong is told without repeating any
//! value: each may be a token.

use std::collections::HashSet;

use anyhow::Context;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor,
};
use serde_json::{Map, Value, error::Category};
use tokend_api::{FILE_DESCRIPTOR_SET, v1::ImportConnectionRequest};

const MESSAGE: &str = "tokend.v1.ImportConnectionRequest";

/// A line that is no import.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidImportLine(String);

/// Reads lines.
pub(crate) struct ImportLines {
    message: MessageDescriptor,
}

impl ImportLines {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let pool =
            DescriptorPool::decode(FILE_DESCRIPTOR_SET).context("the contract's descriptors")?;
        let message = pool
            .get_message_by_name(MESSAGE)
            .with_context(|| format!("{MESSAGE} is no message of the contract"))?;
        Ok(Self { message })
    }

    /// Reads one.
    pub(crate) fn read(&self, line: &str) -> Result<ImportConnectionRequest, InvalidImportLine> {
        let object = match serde_json::from_str(line) {
            Ok(Value::Object(object)) => object,
            Ok(_) => return Err(wrong("it is not a JSON object")),
            Err(error) if error.classify() == Category::Eof => {
                return Err(wrong(
                    "it ends too early; each line is one whole JSON object",
                ));
            }
            Err(error) => {
                let column = error.column();
                return Err(wrong(format!("it is not JSON, from column {column} on")));
            }
        };
        let mut seen = HashSet::new();
        for (name, value) in &object {
            let field = self.field(name)?;
            // Under both its names: which one is meant?
            if !seen.insert(field.number()) {
                return Err(wrong(format!("'{}' is there twice", field.json_name())));
            }
            let alone = Map::from_iter([(name.clone(), value.clone())]);
            if self.message_of(alone).is_err() {
                let expected = form(&field);
                return Err(wrong(format!("'{}' must be {expected}", field.json_name())));
            }
        }
        let message = self
            .message_of(object)
            .map_err(|_| wrong("it is no ImportConnectionRequest"))?;
        ImportConnectionRequest::decode(message.encode_to_vec().as_slice())
            .map_err(|_| wrong("it is no ImportConnectionRequest"))
    }

    fn field(&self, name: &str) -> Result<FieldDescriptor, InvalidImportLine> {
        let known = self
            .message
            .fields()
            .find(|field| field.json_name() == name || field.name() == name);
        known.ok_or_else(|| {
            if matches!(name, "integrationType" | "integration_type") {
                return wrong(
                    "unknown field 'integrationType'; give 'connectorId', which for a type's shared connector is the type's \
                     name unless it was given another",
                );
            }
            let allowed: Vec<_> = self
                .message
                .fields()
                .map(|field| field.json_name().to_owned())
                .collect();
            let allowed = allowed.join(", ");
            // A name is letters; whatever else stands here may be a token that lost its place.
            match name.len() < 32
                && name
                    .chars()
                    .all(|letter| letter.is_ascii_alphabetic() || letter == '_')
            {
                true => wrong(format!("unknown field '{name}'; there are {allowed}")),
                false => wrong(format!("there is an unknown field; there are {allowed}")),
            }
        })
    }

    fn message_of(&self, object: Map<String, Value>) -> Result<DynamicMessage, serde_json::Error> {
        let options = DeserializeOptions::new();
        let object = Value::Object(object);
        DynamicMessage::deserialize_with_options(self.message.clone(), object, &options)
    }
}

fn form(field: &FieldDescriptor) -> &'static str {
    if field.is_map() {
        return "an object of texts";
    }
    match field.kind() {
        Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
            "a time such as \"2027-01-31T12:00:00Z\""
        }
        Kind::Message(_) => "an object with the texts id, email and name",
        _ if field.is_list() => "a list of texts",
        Kind::Bool => "true or false",
        _ => "a text",
    }
}

fn wrong(why: impl Into<String>) -> InvalidImportLine {
    InvalidImportLine(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<ImportConnectionRequest, InvalidImportLine> {
        ImportLines::new().unwrap().read(line)
    }

    #[test]
    fn a_line_is_proto3_json_with_either_kind_of_names() {
        let line = r#"{"connectorId": "users", "app_user_id": "ada", "label": null, "accessToken": "a",
            "expireTime": "2027-01-31T12:00:00Z", "scopes": ["b", "c"], "connectionConfig": {"subdomain": "acme"},
            "account": {"email": "ada@app.example"}}"#;
        let read = read(line).unwrap();
        assert_eq!(
            (read.connector_id.as_str(), read.app_user_id.as_str()),
            ("users", "ada")
        );
        assert_eq!((read.label, read.access_token.as_str()), (None, "a"));
        assert_eq!(read.expire_time.unwrap().seconds, 1_801_396_800);
        assert_eq!(read.scopes, ["b", "c"]);
        assert_eq!(read.connection_config["subdomain"], "acme");
        assert_eq!(read.account.unwrap().email, "ada@app.example");
    }

    #[test]
    fn what_is_wrong_is_told_without_any_value() {
        let token = "tok3n";
        for (line, why) in [
            (r#"{"accessToken": "tok3n""#, "ends too early"),
            (r#"{"accessToken": tok3n}"#, "not JSON, from column 18"),
            (r#""tok3n""#, "not a JSON object"),
            (
                r#"{"accesToken": "tok3n"}"#,
                "unknown field 'accesToken'; there are connectorId, ",
            ),
            (
                r#"{"integrationType": "slack"}"#,
                "give 'connectorId', which for a type's shared connector",
            ),
            (r#"{"tok3n": "a"}"#, "unknown field; there are"),
            (r#"{"expireTime": "tok3n"}"#, "'expireTime' must be a time"),
            (r#"{"scopes": "tok3n"}"#, "'scopes' must be a list of texts"),
            (r#"{"account": "tok3n"}"#, "'account' must be an object"),
            (
                r#"{"connection_config": ["tok3n"]}"#,
                "'connectionConfig' must be an object of texts",
            ),
            (
                r#"{"accessToken": ["tok3n"]}"#,
                "'accessToken' must be a text",
            ),
            (r#"{"verify": "tok3n"}"#, "'verify' must be true or false"),
            (r#"{"accessToken": "tok3n", "access_token": "b"}"#, "twice"),
        ] {
            let error = read(line).expect_err(line).to_string();
            assert!(error.contains(why), "{line}: {error}");
            assert!(!error.contains(token), "{line}: {error}");
        }
    }
}
