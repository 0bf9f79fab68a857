//! Names of fields, captures and tokens: well formed, each used once, and with defaults that match.

use std::collections::BTreeSet;

use crate::Definition;

pub(super) fn check(definition: &Definition) -> Result<(), String> {
    let fields = definition
        .asked_fields()
        .map(|field| ("connection_config", field.name.as_str()));
    let captures = definition
        .all_captures()
        .map(|capture| ("capture", capture.name.as_str()));
    // Requests have these of themselves.
    let mut seen = BTreeSet::from(["client_id", "client_secret", "token"]);
    for (section, name) in fields.chain(captures) {
        check_name(section, name)?;
        if !seen.insert(name) {
            return Err(format!(
                "{section}: the name {name:?} is taken; each field and capture has its own"
            ));
        }
    }
    let mut tokens = BTreeSet::new();
    for token in &definition.integration_type.other_tokens {
        check_name("token.other", &token.name)?;
        if !tokens.insert(&token.name) {
            return Err(format!(
                "token.other: the name {:?} is there twice",
                token.name
            ));
        }
    }
    for field in definition.asked_fields() {
        let fits = |value: &String| {
            definition
                .patterns
                .get(&field.name)
                .is_some_and(|pattern| pattern.matches(value))
        };
        if !field.default_value.as_ref().is_none_or(fits) {
            return Err(format!(
                "connection_config {}: default does not match pattern",
                field.name
            ));
        }
    }
    for capture in definition.all_captures() {
        let fits = |value: &String| capture.pattern.matches(value);
        if !capture.default.as_ref().is_none_or(fits) {
            return Err(format!(
                "capture {}: default does not match pattern",
                capture.name
            ));
        }
    }
    Ok(())
}

fn check_name(section: &str, name: &str) -> Result<(), String> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || !name.bytes().all(is_name) {
        return Err(format!(
            "{section}: the name {name:?} must consist of a-z, 0-9 and '_'"
        ));
    }
    Ok(())
}
