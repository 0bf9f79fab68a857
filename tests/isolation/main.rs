//! Nobody gets a token that is not theirs (T-21): random operations of many at once over five workspaces, each answer
//! held against a model that knows which grant belongs to whom.
//! `make rig-isolation OPERATIONS=1000000` for more of them; `SEED=7` draws the same ones again.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod changes;
mod gets;
mod model;
mod observation;
mod oracle;
mod places;
mod worker;
mod world;

use std::{collections::BTreeMap, env, sync::Arc, time::Instant};

use tokend_simulator::Grant;

use crate::{
    observation::{Observation, Outcome},
    oracle::Oracle,
    places::{Slot, WORKSPACES},
    worker::Worker,
    world::{ISSUERS, World},
};

/// How many work at once.
const WORKERS: usize = 8;

/// Operations of a run that does not say how many.
const OPERATIONS: usize = 5_000;

#[tokio::test(flavor = "multi_thread")]
async fn every_token_vended_is_the_askers_own() {
    let operations = number("OPERATIONS").unwrap_or(OPERATIONS as u64) as usize;
    let seed = number("SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("isolation: SEED={seed} OPERATIONS={operations}");
    let started = Instant::now();
    let world = Arc::new(World::start().await);
    let workers: Vec<_> = (0..WORKERS)
        .map(|number| {
            let worker = Worker::new(world.clone(), seed.wrapping_add(number as u64));
            tokio::spawn(work(worker, number, operations / WORKERS))
        })
        .collect();
    let (mut seen, mut listed) = (Vec::new(), Vec::new());
    for worker in workers {
        let worker = worker.await.unwrap();
        seen.extend(worker.seen);
        listed.extend(worker.listed);
    }
    let grants = world.provider.ledger().grants();
    let violations = violations(&world, &seen, &listed, grants);
    report(&seen, &violations, operations, started);
    Arc::into_inner(world).unwrap().stop().await;
    let few: Vec<_> = violations.iter().take(20).collect();
    assert!(violations.is_empty(), "SEED={seed}: {few:#?}");
}

/// First some connect, so that there is something to ask for.
async fn work(mut worker: Worker, number: usize, operations: usize) -> Worker {
    for slot in Slot::all().skip(number).step_by(WORKERS) {
        worker.change(slot).await;
    }
    for _ in 0..operations {
        worker.step().await;
    }
    worker
}

/// All that may not be.
fn violations(
    world: &World,
    seen: &[Observation],
    listed: &[(usize, usize, Vec<String>)],
    grants: Vec<Grant>,
) -> Vec<String> {
    let grants = grants
        .into_iter()
        .map(|grant| (grant.family, grant))
        .collect();
    let mut violations = world.faults();
    world.model.truth(|truth| {
        let oracle = Oracle {
            truth,
            issuers: ISSUERS,
            grants: &grants,
        };
        for one in seen {
            if let Some(objection) = oracle.objection(one) {
                violations.push(format!("{objection}: {one:?}"));
            }
        }
        for (workspace, user, ids) in listed {
            for id in ids {
                let theirs = truth
                    .slot_of(id)
                    .is_some_and(|slot| slot.workspace == *workspace && slot.user == Some(*user));
                if !theirs {
                    let workspace = WORKSPACES[*workspace];
                    violations.push(format!("user {user} of {workspace} was shown {id}"));
                }
            }
        }
    });
    violations
}

fn report(seen: &[Observation], violations: &[String], operations: usize, started: Instant) {
    let mut refusals: BTreeMap<_, usize> = BTreeMap::new();
    let mut vends = 0;
    for one in seen {
        match &one.outcome {
            Outcome::Vended { .. } => vends += 1,
            Outcome::Refused(refusal) => *refusals.entry(refusal).or_default() += 1,
        }
    }
    for (refusal, times) in &refusals {
        println!("isolation: refused {times:>8} {refusal:?}");
    }
    println!(
        "isolation: {operations} operations, {vends} vends, {} refusals, {} violations in {:.1?}",
        seen.len() - vends,
        violations.len(),
        started.elapsed()
    );
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}
