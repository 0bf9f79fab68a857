//! What the documents say is there, is there.

use std::path::Path;

use crate::source::{files, production, read, root};

fn documents() -> Vec<String> {
    let documents: Vec<_> = files("")
        .into_iter()
        .filter(|path| path.ends_with(".md"))
        .collect();
    assert!(documents.contains(&"README.md".to_owned()));
    documents
}

#[test]
fn links_lead_to_files_that_are_there() {
    let mut broken = Vec::new();
    for document in documents() {
        let folder = root().join(&document).parent().map(Path::to_owned).unwrap();
        let text = read(&document);
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#']).next().unwrap();
            if !target.is_empty() && !target.contains("://") && !folder.join(target).exists() {
                broken.push(format!("{document}: {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn paths_in_backticks_are_there() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = read(&document);
        for path in text.split('`').skip(1).step_by(2) {
            let ours = ["crates/", "proto/", "tests/", "docs/"]
                .iter()
                .any(|top| path.starts_with(top));
            let plain = path
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "/_-.".contains(letter));
            if ours && plain && !root().join(path).exists() {
                broken.push(format!("{document}: {path}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn tests_named_in_the_codemap_are_there() {
    let codemap = read("crates/README.md");
    let sources: Vec<_> = files("")
        .into_iter()
        .filter(|path| path.ends_with(".rs"))
        .map(|path| read(&path))
        .collect();
    let named: Vec<_> = codemap
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| {
            word.matches('_').count() >= 3
                && word
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        })
        .collect();
    assert!(named.len() >= 8, "the codemap names no tests: {named:?}");
    let missing: Vec<_> = named
        .iter()
        .filter(|name| {
            !sources
                .iter()
                .any(|source| source.contains(&format!("fn {name}(")))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_readme_says_what_is_not_built_yet() {
    let readme = read("README.md");
    let mut unbuilt = Vec::new();
    for source in production()
        .iter()
        .filter(|source| source.path.starts_with("crates/server/src/service/"))
    {
        for (_, line) in source.code() {
            let name = line
                .split_once("unimplemented(\"")
                .and_then(|(_, rest)| rest.split('"').next());
            unbuilt.extend(name.map(str::to_owned));
        }
    }
    let (_, section) = readme
        .split_once("## What is there, and what is not")
        .unwrap();
    let section = section.split("\n## ").next().unwrap();
    let unsaid: Vec<_> = unbuilt
        .iter()
        .filter(|name| !section.contains(&format!("`{name}`")))
        .collect();
    assert!(
        unsaid.is_empty(),
        "README.md does not say that these answer UNIMPLEMENTED: {unsaid:?}"
    );
    let (_, list) = section.split_once("UNIMPLEMENTED").unwrap();
    let list = list.split("\n\n").next().unwrap();
    let built: Vec<_> = list
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| !unbuilt.iter().any(|it| it == name))
        .collect();
    assert!(
        built.is_empty(),
        "README.md says these answer UNIMPLEMENTED, but they do not: {built:?}"
    );
}

#[test]
fn the_snippet_in_the_readme_is_the_one_that_compiles() {
    let snippet = read("tests/house/readme_snippet.rs");
    let (_, shown) = snippet
        .split_once("// README.md shows what follows.\n")
        .unwrap();
    assert!(
        read("README.md").contains(shown.trim()),
        "README.md shows another snippet than tests/house/readme_snippet.rs"
    );
}
