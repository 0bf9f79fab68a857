//! Things that are done in one place only.

use crate::source::production;

/// Where a task may be started that nobody waits for at shutdown, and why.
const BARE_SPAWNS: [(&str, &str); 4] = [
    (
        "crates/storage/src/changes/announcements.rs",
        "listening for announcements leaves nothing undone when cut off",
    ),
    (
        "crates/storage/src/transaction.rs",
        "a transaction is carried to its end; its caller waits for the task",
    ),
    (
        "crates/access/src/key_set_source.rs",
        "fetching a provider's public keys leaves nothing undone when cut off",
    ),
    (
        "crates/simulator/src/simulator.rs",
        "test ground; shutting the simulator down waits for it",
    ),
];

#[test]
fn errors_become_a_status_in_one_file() {
    let elsewhere: Vec<_> = production()
        .iter()
        .filter(|source| source.path.starts_with("crates/server/src/"))
        .filter(|source| source.path != "crates/server/src/status.rs")
        .flat_map(|source| source.places_of("Status::"))
        .collect();
    assert!(
        elsewhere.is_empty(),
        "only server/src/status.rs builds a Status: {elsewhere:#?}"
    );
}

#[test]
fn tasks_are_started_where_shutdown_waits_for_them() {
    let mut allowed_and_there = Vec::new();
    let mut elsewhere = Vec::new();
    for source in production() {
        let places: Vec<_> = ["tokio::spawn(", "task::spawn(", "thread::spawn("]
            .iter()
            .flat_map(|spawn| source.places_of(spawn))
            .collect();
        match BARE_SPAWNS.iter().find(|(path, _)| *path == source.path) {
            Some((path, _)) if !places.is_empty() => allowed_and_there.push(*path),
            _ => elsewhere.extend(places),
        }
    }
    assert!(
        elsewhere.is_empty(),
        "use a TaskTracker that is waited for: {elsewhere:#?}"
    );
    let stale = BARE_SPAWNS
        .iter()
        .filter(|(path, _)| !allowed_and_there.contains(path));
    assert_eq!(stale.count(), 0, "no longer needed in BARE_SPAWNS");
}

#[test]
fn one_code_path_redeems_refresh_tokens() {
    let calls: Vec<_> = production()
        .iter()
        .filter(|source| source.path.starts_with("crates/vending/src/"))
        .flat_map(|source| source.places_of("redeem_refresh_token("))
        .collect();
    assert_eq!(calls.len(), 1, "{calls:#?}");
    assert!(
        calls[0].starts_with("crates/vending/src/refresh/call.rs:"),
        "{calls:#?}"
    );
}
