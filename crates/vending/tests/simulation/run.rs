//! One seed: a storm of faults, then calm, then the reckoning.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokend_model::{Connection, ConnectionStatus};
use tokend_vending::{Error, VendOptions};
use tokio::time::Instant;

use crate::{
    dice::Dice,
    load::{callers, fleet::Fleet, people},
    oracle::Outcome,
    plan::Plan,
    world::{World, provider::GrantEnd, tables::Defect},
};

/// What is wrong with the world, to see that the oracle notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    Database(Defect),
    /// Journals forget what is written to them.
    Journal,
}

/// What came of a seed.
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) plan: Plan,
    pub(crate) violations: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) fingerprint: u64,
    pub(crate) totals: Totals,
}

/// What happened, counted.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Totals {
    pub(crate) vends: u64,
    pub(crate) refreshes: u64,
    pub(crate) crashes: u64,
    pub(crate) takeovers: u64,
    pub(crate) orphans: u64,
    pub(crate) lost: u64,
}

/// Runs a seed in a runtime of its own, whose time passes only when nothing else can happen.
pub(crate) fn run(seed: u64, broken: Option<Broken>, traced: bool) -> Report {
    #[expect(clippy::unwrap_used, reason = "a runtime without I/O needs nothing")]
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(simulate(seed, broken, traced))
}

async fn simulate(seed: u64, broken: Option<Broken>, traced: bool) -> Report {
    let dice = Dice::new(seed);
    let plan = Plan::of(&dice);
    let world = Arc::new(World::new(plan.clone(), dice, traced));
    match broken {
        Some(Broken::Database(defect)) => world.tables().defect = Some(defect),
        Some(Broken::Journal) => {
            for replica in 0..plan.replicas {
                world.disks().entry(replica).or_default().forgets = true;
            }
        }
        None => {}
    }
    world.tables().found();
    people::settle_in(&world);
    let fleet = Fleet::new(world.clone());
    fleet.start();
    callers::start(&fleet);
    let people = tokio::spawn(people::act(fleet.clone()));

    tokio::time::sleep(Duration::from_secs(plan.storm)).await;
    world.calm_down();
    people.abort();
    // Stopped processes go on, claims run out, the longest pause passes, refusals are confirmed.
    let settling = Duration::from_secs(2 * 60 + 65 + 2 * 60 + 60);
    tokio::time::sleep(settling).await;

    reckon(&fleet).await;
    world.judge_answers();
    world.judge_deleted();
    let counts = &world.oracle.counts;
    let count = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    Report {
        seed,
        violations: world.oracle.violations(),
        trace: world.trace.lines(),
        fingerprint: world.dice.fingerprint(),
        totals: Totals {
            vends: count(&counts.vends),
            refreshes: count(&counts.refreshes),
            crashes: count(&counts.crashes),
            takeovers: count(&counts.takeovers),
            orphans: count(&counts.orphans),
            lost: count(&counts.lost),
        },
        plan,
    }
}

/// Every connection is asked for everywhere, and renewed once more.
async fn reckon(fleet: &Arc<Fleet>) {
    let world = &fleet.world;
    world.trace.write(|| "the reckoning".to_owned());
    for subject in 0..world.plan.connections {
        let Some(connection) = connection_of(world, subject) else {
            continue;
        };
        for replica in 0..fleet.size() {
            has_token(fleet, subject, replica).await;
        }
        let outcome = match renews(fleet, subject).await {
            true => Outcome::Healthy,
            false => Outcome::Unusable,
        };
        let connection = connection_of(world, subject).unwrap_or(connection);
        world.judge(subject, &connection, outcome);
    }
}

async fn has_token(fleet: &Arc<Fleet>, subject: usize, replica: usize) {
    let world = &fleet.world;
    let Some(serving) = fleet.serving(replica) else {
        return world.violated("F-10", &format!("replica {replica} does not serve"));
    };
    let options = VendOptions::default();
    let patience = Duration::from_secs(30);
    let answer = callers::ask(fleet, &serving, subject, &options, patience).await;
    let failed = match answer {
        Some(Ok(_)) => return,
        // Whether the doubt is right is found out next.
        Some(Err(Error::GrantInDoubt { .. })) => return,
        Some(Err(error)) => format!("{error:?}"),
        None => "no answer".to_owned(),
    };
    let ended = connection_of(world, subject)
        .is_none_or(|connection| connection.status == ConnectionStatus::Error);
    if !ended && !is_ended_by_user(world, subject) {
        let what = format!("connection {subject} has no token at {replica}: {failed}");
        world.violated("I-9", &what);
    }
}

/// Renews the connection as for a caller who complains; waits as long as its class may ask for.
async fn renews(fleet: &Arc<Fleet>, subject: usize) -> bool {
    let world = &fleet.world;
    let Some(first) = connection_of(world, subject) else {
        return false;
    };
    let options = VendOptions {
        rejected_generation: Some(first.generation),
        ..VendOptions::default()
    };
    let patience = Duration::from_secs(70);
    let end = Instant::now() + world.plan.conduct.lifetime + Duration::from_secs(300);
    while Instant::now() < end {
        if let Some(serving) = fleet.any()
            && let Some(Ok(vended)) =
                callers::ask(fleet, &serving, subject, &options, patience).await
            && world
                .provider()
                .works(vended.access_token.expose(), world.now())
        {
            return true;
        }
        let ended = connection_of(world, subject)
            .is_none_or(|connection| connection.status == ConnectionStatus::Error);
        if ended {
            return false;
        }
        tokio::time::sleep(Duration::from_secs(7)).await;
    }
    false
}

fn connection_of(world: &World, subject: usize) -> Option<Connection> {
    let tables = world.tables();
    let mut rows = tables.rows.values().map(|row| &row.connection);
    rows.find(|connection| connection.owner == people::owner(subject))
        .cloned()
}

fn is_ended_by_user(world: &World, subject: usize) -> bool {
    let provider = world.provider();
    let mut grants = provider.grants.iter().rev();
    grants
        .find(|grant| grant.subject == subject)
        .is_some_and(|grant| grant.end == Some(GrantEnd::User))
}
