//! The arrows between crates, and which of them may touch SQL, HTTP clients and gRPC servers.

use std::{collections::BTreeSet, process::Command, sync::LazyLock};

use serde_json::Value;

use crate::source::root;

/// Each crate with those of ours it may depend on, for its code and for its tests alike.
const ARROWS: [(&str, &[&str]); 13] = [
    ("tokend-api", &[]),
    ("tokend-model", &[]),
    ("tokend-simulator", &[]),
    ("tokend-access", &["tokend-model"]),
    ("tokend-catalog", &["tokend-model"]),
    ("tokend-keyring", &["tokend-model"]),
    ("tokend-vending", &["tokend-model"]),
    ("tokend-client", &["tokend-api"]),
    ("tokend-oauth", &["tokend-catalog", "tokend-model"]),
    ("tokend-storage", &["tokend-keyring", "tokend-model"]),
    (
        "tokend-server",
        &[
            "tokend-access",
            "tokend-api",
            "tokend-catalog",
            "tokend-keyring",
            "tokend-model",
            "tokend-oauth",
            "tokend-storage",
            "tokend-vending",
        ],
    ),
    (
        "tokend-cli",
        // The last one for its suite, tests/command_line.
        &[
            "tokend-api",
            "tokend-client",
            "tokend-server",
            "tokend-simulator",
            "tokend-tests",
        ],
    ),
    (
        "tokend-tests",
        &[
            "tokend-api",
            "tokend-client",
            "tokend-server",
            "tokend-simulator",
        ],
    ),
];

/// Arrows of tests alone: the simulation holds its own store against the real one.
const TEST_ARROWS: [(&str, &str); 2] = [
    ("tokend-vending", "tokend-keyring"),
    ("tokend-vending", "tokend-storage"),
];

/// Who may depend on a package in production code.
const RESERVED: [(&[&str], &[&str]); 3] = [
    (&["sea-orm", "sea-orm-migration"], &["tokend-storage"]),
    // Tests make databases with it, and read them as a thief would.
    (&["sqlx"], &["tokend-tests"]),
    // The simulator's headless browser and the tests are callers, not tokend.
    (
        &["reqwest", "hyper", "hyper-util", "ureq"],
        &[
            "tokend-oauth",
            "tokend-access",
            "tokend-simulator",
            "tokend-tests",
        ],
    ),
];

struct Dependency {
    of: String,
    on: String,
    for_tests: bool,
    features: Vec<String>,
}

static DEPENDENCIES: LazyLock<Vec<Dependency>> = LazyLock::new(|| {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {stderr}");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut dependencies = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        for dependency in package["dependencies"].as_array().unwrap() {
            dependencies.push(Dependency {
                of: text(&package["name"]),
                on: text(&dependency["name"]),
                for_tests: dependency["kind"] == "dev",
                features: dependency["features"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(text)
                    .collect(),
            });
        }
    }
    dependencies
});

#[test]
fn the_arrows_between_our_crates_are_those_of_the_codemap() {
    let drawn: BTreeSet<(&str, &str)> = ARROWS
        .iter()
        .flat_map(|(of, on)| on.iter().map(move |on| (*of, *on)))
        .collect();
    let there: BTreeSet<(&str, &str)> = DEPENDENCIES
        .iter()
        .filter(|dependency| dependency.on.starts_with("tokend-"))
        .map(|dependency| (dependency, (dependency.of.as_str(), dependency.on.as_str())))
        .filter(|(dependency, arrow)| !dependency.for_tests || !TEST_ARROWS.contains(arrow))
        .map(|(_, arrow)| arrow)
        .collect();
    let new: Vec<_> = there.difference(&drawn).collect();
    let gone: Vec<_> = drawn.difference(&there).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "crates/README.md draws other arrows. Not drawn: {new:?}. Drawn, but not there: {gone:?}."
    );
}

#[test]
fn only_storage_knows_sql_and_only_those_who_call_out_have_an_http_client() {
    for (packages, users) in RESERVED {
        let misplaced: Vec<_> = DEPENDENCIES
            .iter()
            .filter(|dependency| {
                !dependency.for_tests && packages.contains(&dependency.on.as_str())
            })
            .filter(|dependency| !users.contains(&dependency.of.as_str()))
            .map(|dependency| format!("{} -> {}", dependency.of, dependency.on))
            .collect();
        assert!(misplaced.is_empty(), "only {users:?} may: {misplaced:?}");
    }
}

#[test]
fn only_the_server_can_serve_grpc() {
    let serving: BTreeSet<_> = DEPENDENCIES
        .iter()
        .filter(|dependency| dependency.on == "tonic" && !dependency.for_tests)
        .filter(|dependency| {
            dependency
                .features
                .iter()
                .any(|feature| feature == "server" || feature == "router")
        })
        .map(|dependency| dependency.of.as_str())
        .collect();
    assert_eq!(serving, BTreeSet::from(["tokend-server"]));
}
