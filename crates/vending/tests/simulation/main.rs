//! Deterministic simulation of the engine: the real `Vending`, several replicas of it, over a simulated database,
//! provider and journal, with simulated time and faults that a seed decides.
//!
//! `SEEDS=n` runs so many; `SEED=n` replays one and tells what happened (`-- --nocapture`).

#![allow(clippy::unwrap_used, reason = "what meets the unexpected has failed")]

mod dice;
mod load;
mod oracle;
mod plan;
mod run;
mod seeds;
mod sharing;
mod stores;
mod trace;
mod world;

use run::{Broken, run};
use world::tables::Defect;

/// As many as fit into the time of `make test`.
const SEEDS: u64 = 10_000;

#[test]
fn no_seed_breaks_a_promise() {
    if let Some(seed) = number("SEED") {
        let report = seeds::replay(seed, None);
        assert!(report.violations.is_empty(), "seed {seed}");
        return;
    }
    let summary = seeds::run_seeds(0..number("SEEDS").unwrap_or(SEEDS), None, None);
    if let Some(seed) = summary.first() {
        let report = seeds::replay(seed, None);
        for (rule, seeds) in &summary.broken {
            let some: Vec<_> = seeds.iter().take(20).collect();
            println!(
                "{rule}: broken by {} of {} seeds: {some:?}",
                seeds.len(),
                summary.seeds
            );
        }
        panic!("seed {seed}: {:?}", report.violations);
    }
    let totals = summary.totals;
    println!(
        "{} vends; {} grants lost, and reported",
        totals.vends, totals.lost
    );
    println!(
        "simulation: {} seeds, {} refreshes, {} crashes, {} takeovers, {} orphans, 0 violations ({} s)",
        summary.seeds,
        totals.refreshes,
        totals.crashes,
        totals.takeovers,
        totals.orphans,
        summary.took.as_secs()
    );
}

#[test]
fn a_seed_runs_the_same_way_again() {
    for seed in 0..20 {
        let (first, second) = (run(seed, None, false), run(seed, None, true));
        assert_eq!(first.fingerprint, second.fingerprint, "seed {seed}");
    }
}

#[test]
fn a_database_without_a_fence_is_caught() {
    is_caught(Broken::Database(Defect::NoFence), "I-2");
}

#[test]
fn a_claim_granted_twice_is_caught() {
    is_caught(Broken::Database(Defect::ClaimsGrantedTwice), "I-1");
}

#[test]
fn orphans_thrown_away_are_caught() {
    is_caught(Broken::Database(Defect::OrphansDropped), "I-4");
}

#[test]
fn a_journal_that_forgets_is_caught() {
    is_caught(Broken::Journal, "I-4");
}

/// Whether seeds soon break the rule that the broken part is there to keep.
fn is_caught(broken: Broken, rule: &str) {
    let summary = seeds::run_seeds(0..2000, Some(broken), Some(rule));
    let caught = summary.broken.contains_key(rule);
    assert!(caught, "{broken:?} goes unnoticed");
    println!("{broken:?}: {rule} broken within {} seeds", summary.seeds);
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
