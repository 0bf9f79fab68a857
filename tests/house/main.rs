//! The house: what `crates/README.md` promises of the source itself, read from the tree.

#![expect(clippy::unwrap_used, reason = "a check that cannot be made has failed")]

mod arrows;
mod documents;
mod migrations;
mod names;
mod own_words;
mod places;
mod promises;
mod sizes;
mod source;
mod surface;

#[expect(dead_code, reason = "the README's snippet only has to compile")]
mod readme_snippet;
