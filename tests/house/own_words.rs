//! The project speaks of itself alone: not of the machines it was written on, nor of where its packages come from.

use std::fs;

use crate::source::{files, root};

/// Cut in two, so that this file is not found itself.
const FOREIGN: [(&str, &str); 5] = [
    ("/work", "/"),
    ("/root", "/"),
    ("registry.", "npmjs"),
    ("static.", "crates.io"),
    ("proxy.", "golang.org"),
];

#[test]
fn no_file_names_a_machine_or_a_package_registry() {
    let mut found = Vec::new();
    for path in files("") {
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue; // not text, such as a database somebody left here
        };
        for (number, line) in text.lines().enumerate() {
            let foreign = FOREIGN
                .iter()
                .any(|(one, other)| line.contains(&format!("{one}{other}")));
            if foreign {
                found.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
