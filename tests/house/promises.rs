//! docs/promises.md names a test for every promise, and each is there.

use std::collections::BTreeSet;

use crate::source::{files, read};

#[test]
fn every_promise_has_a_test_or_says_why_not() {
    let page = read("docs/promises.md");
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| P-"))
        .collect();
    let numbers: Vec<String> = rows.iter().map(|row| row[2..6].to_owned()).collect();
    let expected: Vec<String> = (1..=30).map(|number| format!("P-{number:02}")).collect();
    assert_eq!(numbers, expected);

    let tests = tests();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let shown_by = cells[4];
        let named: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
        assert!(
            !named.is_empty() || cells[3].contains("not yet"),
            "neither a test nor a reason: {row}"
        );
        for name in named {
            assert!(tests.contains(name), "there is no test {name}: {row}");
        }
    }
}

/// The names of all functions in the test suites and crates.
fn tests() -> BTreeSet<String> {
    ["tests", "crates"]
        .into_iter()
        .flat_map(files)
        .filter(|path| path.ends_with(".rs"))
        .flat_map(|path| {
            let text = read(&path);
            text.split("fn ")
                .skip(1)
                .filter_map(|rest| rest.split('(').next().map(str::to_owned))
                .collect::<Vec<_>>()
        })
        .collect()
}
