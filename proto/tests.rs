//! Holds the contract against its own rules: everything is commented, no secret is printed, every error reason says its gRPC code.

use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, FileDescriptor, Kind, MapKey,
    MessageDescriptor, Value,
};
use tonic::Code;

use crate::v1::{self, ErrorReason};

const PACKAGE: &str = "tokend.v1";
const CANARY: &str = "canary";

fn pool() -> DescriptorPool {
    DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).expect("the built descriptor set")
}

fn messages(pool: &DescriptorPool) -> impl Iterator<Item = MessageDescriptor> {
    pool.all_messages()
        .filter(|message| message.package_name() == PACKAGE && !message.is_map_entry())
}

fn is_secret(field: &FieldDescriptor) -> bool {
    field
        .options()
        .get_field_by_name("debug_redact")
        .is_some_and(|value| value.as_bool() == Some(true))
}

/// The comment right above the element at `path`; empty if there is none.
fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    info.iter()
        .flat_map(|info| &info.location)
        .find(|location| location.path == path)
        .map(|location| location.leading_comments().trim().to_owned())
        .unwrap_or_default()
}

#[test]
fn every_element_has_a_comment() {
    let pool = pool();
    let mut bare = Vec::new();
    let mut seen = 0;
    let mut check = |file: FileDescriptor, path: &[i32], name: &str| {
        seen += 1;
        if comment(&file, path).is_empty() {
            bare.push(name.to_owned());
        }
    };
    for message in messages(&pool) {
        check(message.parent_file(), message.path(), message.full_name());
        for field in message.fields() {
            check(field.parent_file(), field.path(), field.full_name());
        }
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            check(oneof.parent_file(), oneof.path(), oneof.full_name());
        }
    }
    for kind in pool
        .all_enums()
        .filter(|kind| kind.package_name() == PACKAGE)
    {
        check(kind.parent_file(), kind.path(), kind.full_name());
        for value in kind.values() {
            check(value.parent_file(), value.path(), value.full_name());
        }
    }
    for service in pool.services() {
        check(service.parent_file(), service.path(), service.full_name());
        for rpc in service.methods() {
            check(rpc.parent_file(), rpc.path(), rpc.full_name());
        }
    }
    assert!(seen > 300, "only {seen} elements seen");
    assert_eq!(bare, Vec::<String>::new(), "without a comment");
}

#[test]
fn no_message_prints_a_secret() {
    let mut with_secrets = 0;
    for message in messages(&pool()) {
        let encoded = filled(message.clone()).encode_to_vec();
        let holds_secret = encoded
            .windows(CANARY.len())
            .any(|window| window == CANARY.as_bytes());
        let printed = v1::debug_of_encoded(message.full_name(), &encoded)
            .expect("the encoding of its own descriptor")
            .expect("every message of the package");
        assert!(!printed.contains(CANARY), "{printed}");
        assert_eq!(printed.contains("[REDACTED]"), holds_secret, "{printed}");
        with_secrets += usize::from(holds_secret);
    }
    assert!(
        with_secrets >= 10,
        "only {with_secrets} messages with secrets"
    );
}

/// A message with every field set, secret ones to the canary; of each oneof the first.
fn filled(descriptor: MessageDescriptor) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let taken = field
            .containing_oneof()
            .is_some_and(|oneof| oneof.fields().any(|other| message.has_field(&other)));
        if !taken {
            message.set_field(&field, filled_field(&field));
        }
    }
    message
}

fn filled_field(field: &FieldDescriptor) -> Value {
    if field.is_map() {
        let text = Value::String("plain".to_owned());
        return Value::Map([(MapKey::String("key".to_owned()), text)].into());
    }
    let text = if is_secret(field) { CANARY } else { "plain" };
    let value = match field.kind() {
        Kind::String => Value::String(text.to_owned()),
        Kind::Message(descriptor) => Value::Message(filled(descriptor)),
        Kind::Enum(_) => Value::EnumNumber(1),
        Kind::Bool => Value::Bool(true),
        kind => Value::default_value(&kind),
    };
    if field.is_list() {
        Value::List(vec![value])
    } else {
        value
    }
}

#[test]
fn secret_looking_fields_are_marked() {
    let harmless = [
        "page_token",
        "next_page_token",
        "token_type",
        "client_secret_set",
        "token_header",
        "token_scheme",
        // Keyed: says nothing of the token to whoever lacks the key.
        "token_fingerprint",
    ];
    // Which token is meant, not the token.
    let names_of_tokens = [
        "tokend.v1.AppUserConnection.other_tokens",
        "tokend.v1.Connection.token",
        "tokend.v1.GetConnectionRequest.token",
        "tokend.v1.GetCurrentAppUserConnectionRequest.token",
    ];
    for field in messages(&pool()).flat_map(|message| message.fields().collect::<Vec<_>>()) {
        let looks_secret = matches!(field.kind(), Kind::String)
            && ["token", "secret", "password", "redirect_url"]
                .iter()
                .any(|word| field.name().contains(word));
        let is_name = names_of_tokens.contains(&field.full_name());
        if looks_secret && !is_name && !harmless.contains(&field.name()) {
            assert!(
                is_secret(&field),
                "{} lacks debug_redact",
                field.full_name()
            );
        }
    }
}

#[test]
fn every_error_reason_says_its_code() {
    let pool = pool();
    let reasons = pool
        .get_enum_by_name("tokend.v1.ErrorReason")
        .expect("the enum of reasons");
    for value in reasons.values().filter(|value| value.number() != 0) {
        let reason = ErrorReason::try_from(value.number()).expect("generated from the same proto");
        let code = format!("gRPC code: {}.", code_name(reason.code()));
        let comment = comment(&value.parent_file(), value.path());
        assert!(comment.starts_with(&code), "{}: {code}", value.name());
        assert!(comment.contains("Metadata: "), "{}", value.name());
        assert_eq!(ErrorReason::from_reason(reason.reason()), Some(reason));
        assert!(!reason.reason().starts_with("ERROR_REASON_"));
    }
}

/// The name of a code as `google.rpc.Code` writes it.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[test]
fn json_reads_as_promised() {
    let pool = pool();
    let vended = pool
        .get_message_by_name("tokend.v1.VendedConnection")
        .expect("the vended connection");
    let json = serde_json::to_value(filled(vended)).expect("a message prints as JSON");
    for key in [
        "accessToken",
        "connectionConfig",
        "tokenType",
        "expireTime",
        "connectionId",
    ] {
        assert!(json.get(key).is_some(), "{key} is missing in {json}");
    }
}

#[test]
fn the_deprecated_rpc_says_so() {
    let pool = pool();
    let rpc = pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .find(|rpc| rpc.name() == "GetAccessToken")
        .expect("GetAccessToken");
    let deprecated = rpc
        .options()
        .get_field_by_name("deprecated")
        .and_then(|value| value.as_bool());
    assert_eq!(deprecated, Some(true));
    assert!(comment(&rpc.parent_file(), rpc.path()).starts_with("Deprecated:"));
}
