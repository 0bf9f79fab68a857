//! Names of integration types, connectors and keys as identifiers: valid, and each its own.

use std::collections::{BTreeMap, BTreeSet};

/// How words are put together.
#[derive(Clone, Copy)]
pub(super) enum Case {
    /// `GenericOauth2`
    Pascal,
    /// `generic_oauth2`
    Snake,
    /// `GENERIC_OAUTH2`
    Upper,
}

/// An identifier for each name, by name. `prefix` comes before one that would begin with a digit; a reserved one gets
/// an underscore after it, and of names that come to the same the later ones get a number.
pub(super) fn identifiers<'a>(
    names: impl IntoIterator<Item = &'a str>,
    case: Case,
    prefix: &str,
    reserved: &[&str],
) -> BTreeMap<&'a str, String> {
    let names: BTreeSet<_> = names.into_iter().collect();
    let mut taken = BTreeSet::new();
    names
        .into_iter()
        .map(|name| {
            let mut plain = cased(name, case);
            if plain.is_empty() || plain.starts_with(|first: char| first.is_ascii_digit()) {
                plain.insert_str(0, prefix);
            }
            if reserved.contains(&plain.as_str()) {
                plain.push('_');
            }
            let mut identifier = plain.clone();
            let mut number = 2;
            while !taken.insert(identifier.clone()) {
                identifier = match case {
                    Case::Pascal => format!("{plain}{number}"),
                    Case::Snake | Case::Upper => format!("{plain}_{number}"),
                };
                number += 1;
            }
            (name, identifier)
        })
        .collect()
}

fn cased(name: &str, case: Case) -> String {
    let words = name
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    match case {
        Case::Snake => words.collect::<Vec<_>>().join("_").to_ascii_lowercase(),
        Case::Upper => words.collect::<Vec<_>>().join("_").to_ascii_uppercase(),
        Case::Pascal => words
            .map(|word| {
                let (first, rest) = word.split_at(1);
                first.to_ascii_uppercase() + rest
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_is_an_identifier_of_its_own() {
        let names = [
            "3cx",
            "a-b",
            "a_b",
            "ab",
            "self",
            "generic_oauth2",
            "a_b_2",
            "a-",
        ];
        let of = |case, prefix: &str, reserved: &[&str]| {
            let found = identifiers(names, case, prefix, reserved);
            assert_eq!(found.len(), names.len());
            let own: BTreeSet<_> = found.values().collect();
            assert_eq!(own.len(), names.len(), "{found:?}");
            found
        };
        let pascal = of(Case::Pascal, "Type", &["Self"]);
        assert_eq!(pascal["3cx"], "Type3cx");
        assert_eq!(pascal["self"], "Self_");
        assert_eq!(pascal["generic_oauth2"], "GenericOauth2");
        assert_eq!(
            (pascal["a-b"].as_str(), pascal["a_b"].as_str()),
            ("AB", "AB2")
        );
        let upper = of(Case::Upper, "TYPE_", &[]);
        assert_eq!(upper["3cx"], "TYPE_3CX");
        let snake = of(Case::Snake, "type_", &["self"]);
        assert_eq!(snake["self"], "self_");
    }
}
