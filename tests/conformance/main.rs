//! Every entry of the catalogue against its provider's dialect: connect, vend, refresh, revoke.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod again;
mod assertion;
mod authorize;
mod books;
mod calls;
mod client_auth;
mod clock;
mod connecting;
mod device;
mod dialect;
mod ending;
mod journey;
mod own_type;
mod provider;
mod proxy;
mod renewal;
mod row;
mod stage;
mod table;
mod template;
mod token_endpoint;
mod vending;
mod wire;
mod world;

use std::collections::BTreeSet;

use assertion::SigningKey;
use dialect::Dialect;
use journey::Journey;
use world::World;

#[tokio::test(flavor = "multi_thread")]
async fn every_integration_type_is_connected_vended_renewed_and_revoked() {
    // Takes seconds, so it begins while others are on their way.
    std::thread::spawn(SigningKey::of_this_run);
    let world = World::start().await;
    let entries = world.integration_types().await;
    let dialects = Dialect::all();
    let spoken: BTreeSet<_> = dialects
        .iter()
        .flat_map(|dialect| dialect.types.keys())
        .collect();
    let there: BTreeSet<_> = entries
        .iter()
        .map(|entry| &entry.integration_type)
        .collect();
    let mute: Vec<_> = there.difference(&spoken).collect();
    let gone: Vec<_> = spoken.difference(&there).collect();
    let on_devices: BTreeSet<_> = dialects
        .iter()
        .filter(|dialect| dialect.device.is_some())
        .flat_map(|dialect| dialect.types.keys().cloned())
        .collect();
    let untried: Vec<_> = entries
        .iter()
        .filter(|entry| entry.device_authorization != on_devices.contains(&entry.integration_type))
        .map(|entry| &entry.integration_type)
        .collect();
    assert!(
        untried.is_empty(),
        "device codes are to be had, or not, otherwise than the dialects say: {untried:?}"
    );
    // Some only, while something is mended: ONLY=slack,box.
    let only = std::env::var("ONLY").unwrap_or_default();

    let mut rows = Vec::new();
    let mut failures = Vec::new();
    for dialect in &dialects {
        let speakers = entries.iter().filter(|entry| {
            let name = &entry.integration_type;
            dialect.types.contains_key(name)
                && (only.is_empty() || only.split(',').any(|one| one == name))
        });
        for entry in speakers {
            let seen = match Journey::begin(&world, dialect, entry).await {
                Ok(journey) => journey.travel().await,
                Err(failure) => Err(failure),
            };
            match seen {
                Ok(row) => rows.push(row),
                Err(failure) => failures.push(format!("{}: {failure}", entry.integration_type)),
            }
        }
    }
    rows.sort();
    table::print(&rows);
    assert!(
        failures.is_empty(),
        "{} failed:\n  {}",
        failures.len(),
        failures.join("\n  ")
    );
    assert!(
        mute.is_empty() && gone.is_empty(),
        "no dialect for {mute:?}; no entry for {gone:?}"
    );
    if only.is_empty() {
        table::compare(&table::page(&rows));
    }
}
