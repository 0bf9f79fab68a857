//! The contract's surface as text: whatever changes it is seen in a diff of `surface.txt`.

use std::fmt::Write;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, ServiceDescriptor,
};
use tokend_api::FILE_DESCRIPTOR_SET;

use crate::source::{read, root};

const PACKAGE: &str = "tokend.v1";
const RECORD: &str = "tests/house/surface.txt";

#[test]
fn the_contract_is_as_recorded() {
    let present = surface();
    if std::env::var("UPDATE_SURFACE").is_ok_and(|value| value == "1") {
        std::fs::write(root().join(RECORD), &present).unwrap();
    }
    let recorded = read(RECORD);
    let new: Vec<_> = present
        .lines()
        .filter(|line| !recorded.lines().any(|old| old == *line))
        .collect();
    let gone: Vec<_> = recorded
        .lines()
        .filter(|line| !present.lines().any(|new| new == *line))
        .collect();
    assert!(
        present == recorded,
        "the contract is not as {RECORD} has it. New: {new:#?}. Gone: {gone:#?}.\n\
         Callers rely on names, numbers and types: add, do not change. If this is meant, run \
         UPDATE_SURFACE=1 cargo test -p tokend-tests --test house and commit the file."
    );
}

fn surface() -> String {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let mut text = String::new();
    let mut services: Vec<_> = pool
        .services()
        .filter(|service| service.package_name() == PACKAGE)
        .collect();
    services.sort_by_key(|service| service.full_name().to_owned());
    for service in services {
        write_service(&mut text, &service);
    }
    let mut messages: Vec<_> = pool
        .all_messages()
        .filter(|message| message.package_name() == PACKAGE && !message.is_map_entry())
        .collect();
    messages.sort_by_key(|message| message.full_name().to_owned());
    for message in messages {
        write_message(&mut text, &message);
    }
    let mut enums: Vec<_> = pool
        .all_enums()
        .filter(|of| of.package_name() == PACKAGE)
        .collect();
    enums.sort_by_key(|of| of.full_name().to_owned());
    for of in enums {
        write_enum(&mut text, &of);
    }
    text
}

fn write_service(text: &mut String, service: &ServiceDescriptor) {
    writeln!(text, "service {}", service.full_name()).unwrap();
    for method in service.methods() {
        let stream = |streams: bool| if streams { "stream " } else { "" };
        writeln!(
            text,
            "  {}({}{}) -> {}{}{}",
            method.name(),
            stream(method.is_client_streaming()),
            method.input().name(),
            stream(method.is_server_streaming()),
            method.output().name(),
            if method
                .method_descriptor_proto()
                .options
                .as_ref()
                .is_some_and(|options| options.deprecated())
            {
                " deprecated"
            } else {
                ""
            }
        )
        .unwrap();
    }
    text.push('\n');
}

fn write_message(text: &mut String, message: &MessageDescriptor) {
    writeln!(text, "message {}", message.full_name()).unwrap();
    for field in message.fields() {
        writeln!(
            text,
            "  {} {}: {}{}",
            field.number(),
            field.json_name(),
            type_of(&field),
            marks(&field)
        )
        .unwrap();
    }
    text.push('\n');
}

fn write_enum(text: &mut String, of: &EnumDescriptor) {
    writeln!(text, "enum {}", of.full_name()).unwrap();
    for value in of.values() {
        writeln!(text, "  {} {}", value.number(), value.name()).unwrap();
    }
    text.push('\n');
}

fn type_of(field: &FieldDescriptor) -> String {
    if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
        let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        return format!("map<{}, {}>", type_of(&key), type_of(&value));
    }
    let kind = match field.kind() {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(of) => of.full_name().to_owned(),
        scalar => format!("{scalar:?}").to_lowercase(),
    };
    match field.is_list() {
        true => format!("repeated {kind}"),
        false => kind,
    }
}

fn marks(field: &FieldDescriptor) -> String {
    let mut marks = String::new();
    match field.containing_oneof() {
        Some(one_of) if one_of.is_synthetic() => marks.push_str(" optional"),
        Some(one_of) => write!(marks, " oneof {}", one_of.name()).unwrap(),
        None => {}
    }
    let option = |name| {
        let options = field.options();
        options
            .get_field_by_name(name)
            .is_some_and(|value| value.as_bool() == Some(true))
    };
    for (name, mark) in [("debug_redact", " secret"), ("deprecated", " deprecated")] {
        if option(name) {
            marks.push_str(mark);
        }
    }
    // The proto's own name, where JSON's is not made of it in the usual way.
    let usual: String = field
        .name()
        .split('_')
        .enumerate()
        .map(|(index, word)| match (index, word.split_at_checked(1)) {
            (0, _) | (_, None) => word.to_owned(),
            (_, Some((first, rest))) => first.to_uppercase() + rest,
        })
        .collect();
    if usual != field.json_name() {
        write!(marks, " named {}", field.name()).unwrap();
    }
    marks
}
