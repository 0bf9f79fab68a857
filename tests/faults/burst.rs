//! P-03: very many callers ask for one token that has run out, at every replica at once.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokend_client::Client;
use tokend_tests::eventually;
use tokio::{sync::Barrier, task::JoinSet};
use tonic::Code;

use crate::{
    accounts::{Account, connect},
    fleet::{Fleet, FleetOptions},
    load::why,
    provider_class::Class,
    scale::{asked, thousands, turn},
};

/// How long the tokens live that the callers find: they have run out.
const SHORT: Duration = Duration::from_secs(2);

/// How long the tokens live that they get: a round is over before those run out.
const LONG: Duration = Duration::from_secs(3600);

/// How long each caller is ready to wait, retries included.
const DEADLINE: Duration = Duration::from_secs(30);

/// What the callers of one round got.
#[derive(Default)]
struct Round {
    generations: BTreeMap<u32, usize>,
    retryable: usize,
    fatal: BTreeMap<String, usize>,
    slowest: Duration,
}

#[tokio::test(flavor = "multi_thread")]
async fn p03_a_burst_on_an_expired_token_is_one_redemption() {
    let Some(_turn) = turn().await else { return };
    let rounds = asked("ROUNDS", 3);
    let callers = asked("CALLERS", 2_000);
    let fleet = Fleet::start(FleetOptions {
        settings: vec![("vending.renew_ahead", "false".to_owned())],
        ..FleetOptions::default()
    })
    .await;
    let accounts = connect(&fleet, &[Class::Strict], rounds, SHORT).await;
    Class::Strict.change(&fleet.simulator, |behaviour| {
        behaviour.access_token_lifetime = Some(LONG);
    });
    let ledger = fleet.simulator.ledger();
    let before = ledger.refreshes();

    let (mut retryable, mut slowest) = (0, Duration::ZERO);
    for account in &accounts {
        has_run_out(&fleet, account).await;
        let round = burst(&fleet, account, callers).await;
        assert!(round.fatal.is_empty(), "{:?}", round.fatal);
        assert_eq!(round.generations.len(), 1, "{:?}", round.generations);
        let state = ledger.family_state(account.family).unwrap();
        assert_eq!((state.redemptions, state.presentations), (1, 1));
        retryable += round.retryable;
        slowest = slowest.max(round.slowest);
    }
    let redemptions = ledger.refreshes() - before;
    println!(
        "rig-burst: {rounds} rounds of {} callers over {} replicas, {redemptions} redemptions, {} retryable errors, slowest answer {:.1} s",
        thousands(callers),
        fleet.replicas.len(),
        thousands(retryable),
        slowest.as_secs_f64(),
    );
    assert_eq!(redemptions, rounds);
}

/// Waits until the token that the account was connected with is dead at the provider.
async fn has_run_out(fleet: &Fleet, account: &Account) {
    let query = "SELECT expire_time < (extract(epoch FROM clock_timestamp()) * 1000) \
                 FROM connections WHERE id = $1";
    eventually("the token runs out", async || {
        let run_out: bool = sqlx::query_scalar(query)
            .bind(&account.connection_id)
            .fetch_one(&fleet.database)
            .await
            .unwrap();
        run_out.then_some(())
    })
    .await;
}

/// All callers ask at the same time, each at one of the replicas.
async fn burst(fleet: &Fleet, account: &Arc<Account>, callers: usize) -> Round {
    let ready = Arc::new(Barrier::new(callers));
    let mut calls = JoinSet::new();
    for number in 0..callers {
        let client = fleet.clients[number % fleet.clients.len()].with_timeout(DEADLINE);
        calls.spawn(call(client, account.clone(), ready.clone()));
    }
    let mut round = Round::default();
    while let Some(call) = calls.join_next().await {
        let (outcome, took) = call.unwrap();
        round.slowest = round.slowest.max(took);
        match outcome {
            Ok(generation) => *round.generations.entry(generation).or_default() += 1,
            Err((Code::Unavailable, _)) => round.retryable += 1,
            Err((_, why)) => *round.fatal.entry(why).or_default() += 1,
        }
    }
    round
}

async fn call(
    client: Client,
    account: Arc<Account>,
    ready: Arc<Barrier>,
) -> (Result<u32, (Code, String)>, Duration) {
    ready.wait().await;
    let asked = Instant::now();
    let outcome = account.get(&client, None).await;
    let outcome = match outcome {
        Ok(vended) => Ok(vended.generation),
        Err(error) => Err((error.code, why(&error))),
    };
    (outcome, asked.elapsed())
}
