//! P-09: the database is very slow.

use std::time::{Duration, Instant};

use super::{LONG, known_everywhere};
use crate::{
    accounts::connect,
    fleet::{Fleet, FleetOptions},
    hot::{Hot, ask, comes_back_later},
    provider_class::Class,
    scale::{asked, thousands, turn},
};

/// What a statement takes: half of it on its way there, half on the way back.
const STATEMENT: Duration = Duration::from_secs(5);

/// How long a connection of the pool is waited for.
const ACQUIRE: u64 = 2;

/// Who needs the database is told so within this time.
const TOLD_WITHIN: Duration = Duration::from_secs(2 * ACQUIRE);

/// Above this an answer from memory is slow, however busy the machine is.
const NOTICED: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn p09_a_slow_database_is_not_noticed_by_who_does_not_need_it() {
    let Some(_turn) = turn().await else { return };
    let lasts = Duration::from_secs(asked("SLOW_SECONDS", 4));
    let fleet = Fleet::start(FleetOptions {
        replicas: 1,
        settings: vec![("database.acquire_timeout_seconds", ACQUIRE.to_string())],
        proxied: true,
    })
    .await;
    let hot = connect(&fleet, &[Class::StaysValid], 10, LONG).await;
    let cold = connect(&fleet, &[Class::Strict], 4, LONG).await;
    known_everywhere(&fleet, &hot).await;

    let callers = Hot::start(&fleet.clients, &hot);
    tokio::time::sleep(lasts).await;
    let baseline = callers.stop().await;

    fleet.proxies[0].delay(STATEMENT / 2);
    let callers = Hot::start(&fleet.clients, &hot);
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    for account in &cold {
        let asked = Instant::now();
        comes_back_later(&ask(&fleet.clients[0], account).await.unwrap_err());
        slowest = slowest.max(asked.elapsed());
    }
    tokio::time::sleep(lasts.saturating_sub(began.elapsed())).await;
    let slow = callers.stop().await;
    fleet.proxies[0].open();

    let (before, during) = (baseline.p99(), slow.p99());
    println!(
        "rig-outage: database slow ({} s a statement): {} hot calls, {:.2} % served, p99 {:.1} ms, {:.2} times the {:.1} ms before; others told within {:.1} s",
        STATEMENT.as_secs(),
        thousands(slow.calls()),
        slow.percent(),
        during.as_secs_f64() * 1e3,
        during.as_secs_f64() / before.as_secs_f64(),
        before.as_secs_f64() * 1e3,
        slowest.as_secs_f64(),
    );
    assert!(slow.failed.is_empty(), "{:?}", slow.failed);
    assert!(during < (2 * before).max(NOTICED), "{before:?}, {during:?}");
    assert!(slowest <= TOLD_WITHIN, "{slowest:?}");
}
