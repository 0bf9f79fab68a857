//! Names say what a thing is for; these words say nothing.

use crate::source::production;

const EMPTY_WORDS: [&str; 8] = [
    "manager", "helper", "helpers", "util", "utils", "common", "impl", "misc",
];

#[test]
fn no_type_and_no_file_has_a_name_that_says_nothing() {
    let mut found = Vec::new();
    for source in production() {
        let stem = source.path.trim_end_matches(".rs");
        if stem
            .split(['/', '_', '-'])
            .any(|word| EMPTY_WORDS.contains(&word))
        {
            found.push(source.path.clone());
        }
        for (number, line) in source.code() {
            let defined = defined_type(line).filter(|name| {
                words(name)
                    .iter()
                    .any(|word| EMPTY_WORDS.contains(&word.to_lowercase().as_str()))
            });
            found.extend(defined.map(|name| format!("{}:{number}: {name}", source.path)));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn words_of_a_name_are_told_apart() {
    assert_eq!(words("TokenManagerV2"), ["Token", "Manager", "V2"]);
    assert_eq!(words("ImplicitGrant"), ["Implicit", "Grant"]);
    assert_eq!(defined_type("pub(crate) struct Cache<K> {"), Some("Cache"));
    assert_eq!(defined_type("impl Cache {"), None);
}

/// The type that a line defines.
fn defined_type(line: &str) -> Option<&str> {
    let mut tokens = line
        .split_whitespace()
        .skip_while(|token| token.starts_with("pub"));
    let keyword = tokens.next()?;
    let name = tokens.next()?;
    matches!(keyword, "struct" | "enum" | "trait" | "type" | "mod")
        .then(|| name.split(|letter: char| !letter.is_alphanumeric()).next())?
}

fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in name.chars() {
        match words.last_mut() {
            Some(word) if !letter.is_uppercase() => word.push(letter),
            _ => words.push(letter.to_string()),
        }
    }
    words
}
