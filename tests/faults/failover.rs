//! P-06 and P-07: the database's primary is lost, and a standby takes over.

mod cluster;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use sqlx::{Connection, Executor, PgConnection};
use tokend_client::Client;
use tokend_tests::eventually;
use tokio::{task::JoinSet, time::timeout};
use tonic::Code;

use crate::{
    accounts::{Account, connect},
    fleet::{Fleet, FleetOptions},
    hot::{Hot, ask},
    provider_class::Class,
    scale::{asked, thousands, turn},
    switch::Switch,
};
use cluster::{Cluster, Standby};

/// Access tokens that outlive the test: each renewal is one that somebody asked for.
const LONG: Duration = Duration::from_secs(3600);

/// Accounts of each class that are renewed all the time.
const EACH: usize = 4;

/// How many renewals are acknowledged before the primary is lost.
const ACKNOWLEDGED: usize = 40;

/// How long a caller waits for an answer.
const CALL: Duration = Duration::from_secs(5);

/// Renewing goes on within this time.
const PATIENCE: Duration = Duration::from_secs(60);

const DATABASE: &str = "tokend";

#[tokio::test(flavor = "multi_thread")]
async fn p06_a_failover_loses_no_acknowledged_rotation_and_cached_tokens_are_vended() {
    let Some(_turn) = turn().await else { return };
    let failovers = asked("FAILOVERS", 1);
    let Some(mut cluster) = Cluster::start(Standby::Synchronous).await else {
        return not_tested();
    };
    let (switch, fleet) = fleet(&cluster, 2).await;
    let hot = connect(&fleet, &[Class::StaysValid], EACH, LONG).await;
    let renewed = [Class::Overlap, Class::UntilSuccessorUsed, Class::Strict];
    let renewed = connect(&fleet, &renewed, EACH, LONG).await;
    for client in &fleet.clients {
        join_all(hot.iter().map(|account| ask(client, account))).await;
    }

    let (mut found, mut away) = (Found::default(), Duration::ZERO);
    let callers = Hot::start(&fleet.clients, &hot);
    for number in 0..failovers {
        let renewals = Renewals::start(&fleet.clients, &renewed);
        renewing(&fleet, ACKNOWLEDGED).await;
        let began = Instant::now();
        if number % 2 == 1 {
            // Not only the server is gone but its machine: nobody says that connections ended.
            switch.lose();
        }
        cluster.fail_over().await;
        switch.aim(cluster.address());
        renewing(&fleet, EACH).await;
        away = away.max(began.elapsed());
        let seen = renewals.stop().await;
        let mut database = cluster.connect(DATABASE).await;
        for account in &renewed {
            let vended = seen[&account.connection_id];
            found.check(&fleet, &mut database, account, vended).await;
        }
        database.close().await.unwrap();
        if number + 1 < failovers {
            cluster.rebuild().await;
        }
    }
    let served = callers.stop().await;
    println!(
        "rig-failover: {failovers} failovers, {} generations acknowledged and all of them there, {} of {} hot calls served; renewing again after {:.1} s at most, {} of {} accounts later",
        thousands(found.acknowledged),
        thousands(served.calls() - served.failed.values().sum::<usize>()),
        thousands(served.calls()),
        away.as_secs_f64(),
        found.waiting,
        failovers * renewed.len(),
    );
    assert!(served.failed.is_empty(), "{:?}", served.failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn p07_an_asynchronous_standby_is_called_a_risk_at_the_start() {
    const AT_RISK: &str = "durability: at_risk";
    const WHY: &str = "PostgreSQL has no synchronous standby";
    let Some(_turn) = turn().await else { return };
    let Some(cluster) = Cluster::start(Standby::Asynchronous).await else {
        return not_tested();
    };
    let (_switch, mut fleet) = fleet(&cluster, 1).await;
    let replica = &mut fleet.replicas[0];
    assert!(replica.logged(AT_RISK) && replica.logged(WHY));

    cluster.follow(Standby::Synchronous).await;
    replica.terminate().await;
    replica.start().await;
    assert!(!replica.logged(AT_RISK));
}

/// Replicas on a new database of the cluster, which they reach through the switch.
async fn fleet(cluster: &Cluster, replicas: usize) -> (Switch, Fleet) {
    let mut admin = cluster.connect("postgres").await;
    let statement = sqlx::AssertSqlSafe(format!("CREATE DATABASE {DATABASE}"));
    admin.execute(sqlx::raw_sql(statement)).await.unwrap();
    admin.close().await.unwrap();
    let switch = Switch::start(cluster.address()).await;
    let options = FleetOptions {
        replicas,
        settings: vec![("vending.renew_ahead", "false".to_owned())],
        ..FleetOptions::default()
    };
    let url = cluster.url(switch.address(), DATABASE);
    let fleet = Fleet::start_on(options, url).await;
    (switch, fleet)
}

/// Callers who report each token that they get, so that it is renewed.
struct Renewals {
    stop: Arc<AtomicBool>,
    callers: JoinSet<(String, u32)>,
}

impl Renewals {
    fn start(clients: &[Client], accounts: &[Arc<Account>]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        for (account, client) in accounts.iter().zip(clients.iter().cycle()) {
            let (account, client) = (account.clone(), client.with_timeout(CALL));
            let stop = stop.clone();
            callers.spawn(async move {
                let mut newest = 0;
                while !stop.load(Ordering::Relaxed) {
                    let reported = (newest > 0).then_some(newest);
                    match account.get(&client, reported).await {
                        Ok(vended) => {
                            assert!(vended.generation >= newest, "{account:?} went back");
                            newest = vended.generation;
                        }
                        Err(error) => assert!(is_passing(error.code), "{account:?}: {error:?}"),
                    }
                }
                (account.connection_id.clone(), newest)
            });
        }
        Self { stop, callers }
    }

    /// The newest generation that was vended of each account.
    async fn stop(self) -> BTreeMap<String, u32> {
        self.stop.store(true, Ordering::Relaxed);
        self.callers.join_all().await.into_iter().collect()
    }
}

/// Waits until so many more refresh tokens have been redeemed.
async fn renewing(fleet: &Fleet, more: usize) {
    let ledger = fleet.simulator.ledger();
    let enough = ledger.refreshes() + more;
    let renewed = ledger.wait_until(|ledger| ledger.refreshes() >= enough);
    timeout(PATIENCE, renewed).await.unwrap();
}

/// What the accounts are after a failover.
#[derive(Default)]
struct Found {
    /// Generations that somebody got: all of them are there, and whatever the provider issued last is.
    acknowledged: usize,
    /// Accounts that cannot be renewed now, though nothing is lost: whether their tokens were presented is not known.
    waiting: usize,
}

impl Found {
    async fn check(
        &mut self,
        fleet: &Fleet,
        database: &mut PgConnection,
        account: &Account,
        vended: u32,
    ) {
        let ledger = fleet.simulator.ledger();
        let state = eventually("all that was vended or issued is stored", async || {
            let stored = "SELECT generation FROM connections WHERE id = $1";
            let stored: i64 = sqlx::query_scalar(stored)
                .bind(&account.connection_id)
                .fetch_one(&mut *database)
                .await
                .unwrap();
            let state = ledger.family_state(account.family).unwrap();
            let is_newest =
                account.class != Class::Strict || i64::try_from(state.generation) == Ok(stored);
            (stored >= i64::from(vended) && is_newest).then_some(state)
        })
        .await;
        assert!(
            state.recoverable && state.newest_delivered,
            "{account:?}: {state:?}"
        );
        assert_eq!(state.reuses, 0, "{account:?}");
        let token = ask(&fleet.clients[0], account).await.unwrap().access_token;
        assert!(ledger.is_access_token_live(&token), "{account:?}");
        match account.refresh(&fleet.clients[0]).await {
            Ok(_) => {}
            Err(status) => {
                assert!(is_passing(status.code()), "{account:?}: {status:?}");
                self.waiting += 1;
            }
        }
        self.acknowledged += usize::try_from(vended).unwrap();
    }
}

fn is_passing(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::DeadlineExceeded)
}

fn not_tested() {
    let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!required, "PostgreSQL's programs are missing");
    eprintln!("failover: NOT TESTED (PostgreSQL's programs are not on this machine)");
}
