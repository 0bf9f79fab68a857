//! P-10: callers that go away at any moment take no renewed token with them, and leave no transaction open.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures::future::join_all;
use sqlx::{Connection, PgConnection};
use tokend_simulator::Mischief;
use tokend_tests::{Database, Options, Tokend, databases};

use crate::{
    answers::eventually,
    many::{Class, client_of, import_many},
};

/// Callers at a time.
const CALLERS: u64 = 64;

/// How long they wait before they go, at most.
const PATIENCE: Duration = Duration::from_millis(500);

/// Transactions of ours that nobody is at.
const IDLE: &str = "SELECT count(*) FROM pg_stat_activity \
    WHERE datname = current_database() AND application_name LIKE 'tokend%' AND state LIKE 'idle in transaction%'";

/// `make rig-cancel CANCELS=n`.
#[tokio::test(flavor = "multi_thread")]
async fn p10_cancelled_calls_lose_no_rotation_and_leave_no_transaction_open() {
    if !databases().contains(&Database::Postgres) {
        return;
    }
    let cancels = std::env::var("CANCELS").map_or(2_000, |cancels| cancels.parse().unwrap());
    let tokend = Tokend::start(Options {
        database: Database::Postgres,
        configure: |config| config.oauth.max_calls_per_second = 500,
        ..Options::default()
    })
    .await;
    let accounts = import_many(&tokend, Class::Strict, "cancelled", 50).await;
    // Renewed all the time, and slowly: most who go leave while the provider is at it.
    tokend
        .simulator
        .change_client(&client_of("cancelled"), |behaviour| {
            behaviour.access_token_lifetime = Some(Duration::from_secs(1));
            behaviour.mischief = Some(Mischief {
                delay: Some(Duration::ZERO..=Duration::from_millis(300)),
                ..Mischief::default()
            });
        });
    let ledger = tokend.simulator.ledger();
    let (cancelled, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let begun = Instant::now();
    join_all((0..CALLERS).map(async |caller| {
        let mut random = fastrand::Rng::with_seed(caller);
        while cancelled.load(Ordering::Relaxed) < cancels {
            let account = &accounts[random.usize(..accounts.len())];
            // The first tokens live longer: somebody complains of them.
            let call = account.get_instead_of(&tokend.backend, Some(1));
            let outcome = tokio::time::timeout(PATIENCE.mul_f64(random.f64()), call).await;
            let counted = match outcome {
                Ok(_) => &answered,
                Err(_) => &cancelled,
            };
            counted.fetch_add(1, Ordering::Relaxed);
        }
    }))
    .await;
    let took = begun.elapsed();

    // Renewals under way go on; then what we know is what the provider knows.
    for account in &accounts {
        eventually(
            "what the database has is what the provider has",
            async || {
                let known = account.connection(&tokend.operator).await;
                let state = ledger.family_state(account.tokens.family).unwrap();
                (u64::from(known.generation) == state.generation).then_some(())
            },
        )
        .await;
        let vended = eventually("it works", async || account.get(&tokend.backend).await.ok()).await;
        assert!(ledger.is_access_token_live(&vended.access_token));
    }
    assert_eq!(
        (ledger.reuses(), ledger.live_grants().len()),
        (0, accounts.len())
    );
    assert_eq!(ledger.most_presentations(), 1);
    assert!(
        ledger.refreshes() > accounts.len(),
        "{} renewals",
        ledger.refreshes()
    );
    let mut database = PgConnection::connect(&tokend.config.database.url)
        .await
        .unwrap();
    eventually("no transaction is left open", async || {
        let idle = sqlx::query_scalar::<_, i64>(IDLE).fetch_one(&mut database);
        (idle.await.unwrap() == 0).then_some(())
    })
    .await;
    println!(
        "cancelled calls: {} in {took:?} ({} answered, {} renewals): 0 rotations lost, 0 transactions left open",
        cancelled.into_inner(),
        answered.into_inner(),
        ledger.refreshes()
    );
    tokend.stop().await;
}
