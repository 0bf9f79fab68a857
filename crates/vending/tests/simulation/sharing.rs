//! One workspace with two providers, of which one is slow, silent or overloaded: the other's tokens are renewed.

use std::{sync::Arc, time::Duration};

use tokend_model::{Connection, Generation, Rotation};
use tokend_vending::Vending;
use tokio::time::Instant;

use crate::{
    dice::Dice,
    load::{fleet::options, people},
    plan::{Faults, Plan},
    world::{
        World,
        ports::{self, ELSEWHERE, OVERLOADED, SILENT, slow_type},
        process::Process,
    },
};

/// Connections of the first provider, which are due before those of the second.
const FIRST: usize = 200;
const SECOND: usize = 20;

const FEW_SECONDS: Duration = Duration::from_secs(4);

#[tokio::test(start_paused = true)]
async fn a_slow_provider_keeps_no_other_waiting() {
    let world = begin(|connection| {
        connection.integration_type = slow_type();
        is_elsewhere(connection, "slow");
    })
    .await;
    let took = took_to_renew(&world, SECOND).await;
    assert!(took <= FEW_SECONDS, "{took:?}");
    // Nor is less asked of it than it takes: three quarters of a call a second.
    let before = renewed(&world);
    tokio::time::sleep(Duration::from_secs(120)).await;
    let calls = renewed(&world) - before;
    assert!((85..=92).contains(&calls), "{calls} calls");
}

#[tokio::test(start_paused = true)]
async fn a_silent_provider_keeps_no_other_waiting() {
    let world = begin(|connection| is_elsewhere(connection, SILENT)).await;
    let took = took_to_renew(&world, SECOND).await;
    assert!(took <= FEW_SECONDS, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_endpoint_does_not_count_for_another_with_the_same_client_id() {
    let world = begin(|connection| is_elsewhere(connection, OVERLOADED)).await;
    let took = took_to_renew(&world, SECOND).await;
    assert!(took <= FEW_SECONDS, "{took:?}");
}

fn is_elsewhere(connection: &mut Connection, host: &str) {
    let config = &mut connection.connection_config;
    config.insert(ELSEWHERE.to_owned(), host.to_owned());
}

/// A replica that begins to renew what has been due for a while; `change` says what the first provider is like.
async fn begin(change: impl Fn(&mut Connection)) -> Arc<World> {
    let dice = Dice::new(0);
    let mut plan = Plan {
        connections: 0,
        faults: Faults::default(),
        database_outage: None,
        provider_outage: None,
        ..Plan::of(&dice)
    };
    plan.conduct.lifetime = Duration::from_secs(3600);
    plan.conduct.rotation = Rotation::StaysValid;
    plan.facts.rotation = Rotation::StaysValid;
    let world = Arc::new(World::new(plan, dice, false));
    people::settle_in(&world);
    for number in 0..FIRST + SECOND {
        // All in one of the two workspaces.
        people::consent(&world, 2 * number);
    }
    let due = world.now() + Duration::from_secs(1);
    for (number, row) in world.tables().rows.values_mut().enumerate() {
        let connection = &mut row.connection;
        connection.renewal_time = Some(due);
        match number < FIRST {
            true => change(connection),
            false => connection.renewal_time = Some(due + Duration::from_secs(1)),
        }
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let process = Arc::new(Process::start(0, 1, 0));
    let vending = Vending::new(ports::of(&world, &process), options(&process));
    tokio::spawn(async move { vending.keep_renewing().await });
    world
}

/// How long it takes until all of the second provider's connections are renewed.
async fn took_to_renew(world: &World, connections: usize) -> Duration {
    let start = Instant::now();
    let is_renewed = |connection: &Connection| {
        connection.generation > Generation(1) && connection.connection_config.is_empty()
    };
    while count(world, is_renewed) < connections {
        assert!(start.elapsed() < Duration::from_secs(600), "never");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    start.elapsed()
}

fn renewed(world: &World) -> usize {
    count(world, |connection| connection.generation > Generation(1))
}

fn count(world: &World, which: impl Fn(&Connection) -> bool) -> usize {
    let tables = world.tables();
    let connections = tables.rows.values().map(|row| &row.connection);
    connections.filter(|connection| which(connection)).count()
}
