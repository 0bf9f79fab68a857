//! The house: what `crates/README.md` promises of the source itself, read from the tree.

mod arrows;
mod documents;
mod migrations;
mod names;
mod own_words;
mod places;
mod sizes;
mod source;
mod surface;

// The README's snippet, so that it compiles.
#[allow(dead_code)]
mod readme_snippet;
