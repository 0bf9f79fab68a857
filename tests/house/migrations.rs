//! A migration that ran somewhere is never edited: its digest is on record.

use std::{collections::BTreeMap, fmt::Write, fs};

use ring::digest::{SHA256, digest};

use crate::source::{files, read, root};

const FOLDER: &str = "crates/storage/src/migrations";
const RECORD: &str = "tests/house/migrations.txt";

#[test]
fn no_migration_was_edited() {
    let there = migrations();
    let (newest, _) = there.last_key_value().unwrap();
    let recorded: BTreeMap<_, _> = read(RECORD)
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(digest, name)| (name.to_owned(), digest.to_owned()))
        .collect();

    let differ: Vec<_> = there
        .iter()
        .filter(|(name, digest)| recorded.get(*name) != Some(digest))
        .map(|(name, _)| name)
        .chain(recorded.keys().filter(|name| !there.contains_key(*name)))
        .collect();
    if differ.is_empty() {
        return;
    }
    assert!(
        differ.iter().all(|name| *name == newest),
        "{differ:?}: a migration with others after it is not edited; write a new one"
    );
    let renew = std::env::var("UPDATE_MIGRATIONS").is_ok_and(|value| value == "1");
    assert!(
        renew,
        "{newest} is not as {RECORD} has it. Was it never released? Then run again with UPDATE_MIGRATIONS=1"
    );
    let lines: String = there
        .iter()
        .map(|(name, digest)| format!("{digest}  {name}\n"))
        .collect();
    fs::write(root().join(RECORD), lines).unwrap();
}

/// Each migration with its SHA-256, in the order they run.
fn migrations() -> BTreeMap<String, String> {
    files(FOLDER)
        .into_iter()
        .map(|path| {
            let hash = digest(&SHA256, read(&path).as_bytes());
            let hex = hash.as_ref().iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            (path.rsplit('/').next().unwrap().to_owned(), hex)
        })
        .collect()
}
