//! The table of what every integration type does, printed and kept as docs/integrations.md.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

/// One line of the table.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) integration_type: String,
    pub(crate) grant: String,
    pub(crate) connect: String,
    pub(crate) refresh: String,
    pub(crate) revoke: String,
    pub(crate) identity: String,
    pub(crate) captured: String,
}

const HEAD: &str = "# Integration types

What each entry of the catalogue does, as `make conformance` sees it: for every one, tokend connects, vends, renews twice, revokes, connects again
with all scopes, and learns that the person took the grant back. The other side is that provider's dialect, which `tests/conformance/dialects` has
apart from the catalogue; where a provider does not document what it does, the dialect does the most demanding thing. The page is
written by `UPDATE_INTEGRATIONS=1 make conformance`, and a test holds it against each run.

| column | says |
| --- | --- |
| connect | how an account is connected; PKCE where the provider was sent a challenge |
| refresh | what becomes of the refresh token when it is redeemed, or what stands in its place |
| revoke | what the provider is sent when a connection is revoked |
| identity | what the provider tells of the account |
| config captured | what tokend learns for the connection config, beside what is entered |

";

/// The page with these rows.
pub(crate) fn page(rows: &[Row]) -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| type | grant | connect | refresh | revoke | identity | config captured |\n");
    page.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    for row in rows {
        let cells = [
            &row.grant,
            &row.connect,
            &row.refresh,
            &row.revoke,
            &row.identity,
            &row.captured,
        ];
        let cells = cells.map(|cell| match cell.as_str() {
            "" => "-",
            cell => cell,
        });
        _ = writeln!(page, "| {} | {} |", row.integration_type, cells.join(" | "));
    }
    page
}

/// Prints the rows in columns.
pub(crate) fn print(rows: &[Row]) {
    println!("conformance: types");
    for row in rows {
        println!(
            "{:26} {:26} {:17} {:22} {:13} {:16} {}",
            row.integration_type,
            row.grant,
            row.connect,
            row.refresh,
            row.revoke,
            row.identity,
            row.captured
        );
    }
    let types: BTreeSet<_> = rows.iter().map(|row| &row.integration_type).collect();
    println!(
        "conformance: {} integration types, {} ways to connect",
        types.len(),
        rows.len()
    );
}

/// Holds the page against the one that is kept, or keeps it from now on.
pub(crate) fn compare(page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/integrations.md");
    if std::env::var("UPDATE_INTEGRATIONS").is_ok_and(|value| value == "1") {
        fs::write(&path, page).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/integrations.md is not what was seen; UPDATE_INTEGRATIONS=1 make conformance writes it anew"
    );
}
