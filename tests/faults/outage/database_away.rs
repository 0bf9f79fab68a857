//! P-08: the database is away for a while: cut off, silent, or silent with all connections lost.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use sqlx::{Executor, PgPool};
use tokend_api::v1::{self, ConnectionStatus};
use tokend_tests::{Database, eventually};
use tokio::{task::JoinSet, time::timeout};
use tonic::Status;
use url::Url;

use super::{LONG, known_everywhere, provider_calls};
use crate::{
    accounts::{Account, connect},
    fleet::{Fleet, FleetOptions},
    hot::{Hot, ask, comes_back_later},
    provider_class::Class,
    scale::{asked, thousands, turn},
    switch::Switch,
};

/// These are due, and run out, while the database is away.
const SHORT: Duration = Duration::from_secs(10);

/// Everything is as usual so soon after the database is back.
const NORMAL_AFTER: Duration = Duration::from_secs(5);

/// Hot callers that have to be served, of a hundred.
const SERVED: f64 = 99.9;

/// The connections of each replica to the database. Few: at its return all are made anew.
const CONNECTIONS: i64 = 4;

/// Operators at each replica: more than it has connections to the database. And how long each waits for an answer.
const OPERATORS: usize = 6;
const OPERATORS_PATIENCE: Duration = Duration::from_secs(3);

/// Statements that are under way when all connections are lost: no replica has a connection left that is not.
const UNDER_WAY: i64 = 2 * CONNECTIONS;

/// Accounts of each class.
const EACH: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn p08_with_the_database_cut_off_or_silent_known_tokens_are_vended() {
    let Some(_turn) = turn().await else { return };
    let options = FleetOptions {
        proxied: true,
        ..options()
    };
    let fleet = Fleet::start(options).await;
    let away = async || {
        fleet.proxies[0].cut();
        fleet.proxies[1].swallow();
    };
    let back = || fleet.proxies.iter().for_each(|proxy| proxy.open());
    outage(&fleet, &fleet.database, "cut off and silent", away, back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p08_with_all_connections_to_the_database_lost_known_tokens_are_vended() {
    let Some(_turn) = turn().await else { return };
    let url = Database::Postgres.create(Path::new("")).await;
    let past_the_switch = PgPool::connect(&url).await.unwrap();
    let mut url = Url::parse(&url).unwrap();
    let server = url.socket_addrs(|| Some(5432)).unwrap()[0];
    let switch = Switch::start(server).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(switch.address().port())).unwrap();
    let fleet = Fleet::start_on(options(), url.to_string()).await;
    let away = async || {
        // Statements are under way: they have arrived, and their answers never come.
        let mut hang = past_the_switch.begin().await.unwrap();
        let lock = "LOCK TABLE connections IN ACCESS EXCLUSIVE MODE";
        hang.execute(lock).await.unwrap();
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                       AND datname = current_database()";
        eventually("statements are under way", async || {
            let waiting: i64 = sqlx::query_scalar(waiting)
                .fetch_one(&past_the_switch)
                .await
                .unwrap();
            (waiting >= UNDER_WAY).then_some(())
        })
        .await;
        switch.lose();
        hang.rollback().await.unwrap();
    };
    let back = || switch.aim(server);
    outage(&fleet, &past_the_switch, "connections lost", away, back).await;
}

fn options() -> FleetOptions {
    FleetOptions {
        replicas: 2,
        settings: vec![("database.max_connections", CONNECTIONS.to_string())],
        ..FleetOptions::default()
    }
}

async fn outage(
    fleet: &Fleet,
    database: &PgPool,
    kind: &str,
    away: impl AsyncFnOnce(),
    back: impl FnOnce(),
) {
    let lasts = Duration::from_secs(asked("OUTAGE_SECONDS", 11));
    assert!(lasts > SHORT, "the short tokens are to run out meanwhile");
    let hot = connect(
        fleet,
        &[Class::StaysValid, Class::UntilSuccessorUsed],
        EACH,
        LONG,
    )
    .await;
    known_everywhere(fleet, &hot).await;
    let wanted = connect(fleet, &[Class::Strict], EACH, SHORT).await;
    let unasked = connect(fleet, &[Class::Overlap], EACH, SHORT).await;
    for class in [Class::Strict, Class::Overlap] {
        class.change(&fleet.simulator, |behaviour| {
            behaviour.access_token_lifetime = Some(LONG);
        });
    }
    known_everywhere(fleet, &wanted).await;
    assert_eq!(provider_calls(fleet), 0, "nothing is due yet");

    let callers = Hot::start(&fleet.clients, &hot);
    let operators = operators(fleet, &hot);
    let began = Instant::now();
    away().await;
    tokio::time::sleep(lasts).await;
    for answer in everywhere(fleet, &wanted).await {
        comes_back_later(&answer.unwrap_err());
    }
    let served = callers.stop().await;
    let lasted = began.elapsed();
    let calls = provider_calls(fleet);
    let callers = Hot::start(&fleet.clients, &hot);
    back();
    let normal = normal_again(fleet, database, &wanted, &unasked).await;
    drop(operators);
    let afterwards = callers.stop().await;
    println!(
        "rig-outage: database {kind} for {:.0} s: {} hot calls, {:.2} % served, {calls} provider calls; normal {:.1} s after its return",
        lasted.as_secs_f64(),
        thousands(served.calls()),
        served.percent(),
        normal.as_secs_f64(),
    );
    assert!(served.percent() >= SERVED, "{:?}", served.failed);
    assert!(afterwards.percent() >= SERVED, "{:?}", afterwards.failed);
    assert_eq!(calls, 0);
    for account in hot.iter().chain(&wanted).chain(&unasked) {
        let described = account.describe(&fleet.clients[0]).await.unwrap();
        assert_eq!(described.status(), ConnectionStatus::Authorized);
    }
    let ledger = fleet.simulator.ledger();
    assert_eq!((ledger.reuses(), ledger.overlapping_refreshes()), (0, 0));
    assert!(normal <= NORMAL_AFTER, "{normal:?}");
}

/// Operators at each replica who ask for descriptions all the time: whatever happens to the database, statements are
/// under way. They have some patience, and ask again.
fn operators(fleet: &Fleet, accounts: &[Arc<Account>]) -> JoinSet<()> {
    let mut operators = JoinSet::new();
    for client in fleet
        .clients
        .iter()
        .flat_map(|client| vec![client; OPERATORS])
    {
        let (client, account) = (client.clone(), accounts[0].clone());
        operators.spawn(async move {
            loop {
                let described = timeout(OPERATORS_PATIENCE, account.describe(&client)).await;
                let pause = match described {
                    Ok(Ok(_)) => Duration::from_millis(5),
                    _ => Duration::from_millis(200),
                };
                tokio::time::sleep(pause).await;
            }
        });
    }
    operators
}

/// Asks each replica for each account.
async fn everywhere(
    fleet: &Fleet,
    accounts: &[Arc<Account>],
) -> Vec<Result<v1::VendedConnection, Status>> {
    let asked = fleet.clients.iter().flat_map(|client| {
        accounts
            .iter()
            .map(move |account| async move { ask(client, account).await })
    });
    join_all(asked).await
}

/// Waits until every replica vends what ran out meanwhile, and what nobody asks for is renewed too; answers how long
/// that took.
async fn normal_again(
    fleet: &Fleet,
    database: &PgPool,
    wanted: &[Arc<Account>],
    unasked: &[Arc<Account>],
) -> Duration {
    let returned = Instant::now();
    let vended = join_all(fleet.clients.iter().flat_map(|client| {
        wanted.iter().map(move |account| async move {
            eventually("it is vended again", async || {
                ask(client, account).await.ok()
            })
            .await;
        })
    }));
    let behind = "SELECT count(*) FROM connections WHERE generation = 1 AND id = ANY($1)";
    let ids: Vec<_> = unasked.iter().map(|a| a.connection_id.clone()).collect();
    let renewed = eventually("what is due is renewed", async || {
        let behind = sqlx::query_scalar(behind).bind(&ids);
        let behind: i64 = behind.fetch_one(database).await.unwrap();
        (behind == 0).then_some(returned.elapsed())
    });
    let ((), renewed) = tokio::join!(
        async {
            vended.await;
            println!("vended again after {:?}", returned.elapsed());
        },
        renewed
    );
    println!("what was due is renewed after {renewed:?}");
    returned.elapsed()
}
