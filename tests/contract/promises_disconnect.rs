//! P-24: an end put to a connection on one replica is known to the others in time, and nothing under way revives it.

use std::time::{Duration, Instant};

use tokend_api::v1;
use tokend_simulator::Endpoint;
use tokend_tests::{Database, Options, Tokend, databases};
use tonic::Code;

use crate::{
    answers::{eventually, refused},
    many::{Account, Class, client_of, import_many},
};

/// How long another replica may go on vending.
const PROMISED: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn p24_a_disconnect_reaches_the_other_replica_in_time_and_nothing_revives_it() {
    if !databases().contains(&Database::Postgres) {
        return;
    }
    let tokend = Tokend::start(Options {
        database: Database::Postgres,
        ..Options::default()
    })
    .await;
    let mut accounts = import_many(&tokend, Class::Strict, "ended", 60).await;
    let under_way = accounts.split_off(50);
    let (other, elsewhere) = tokend.replica().await;

    let mut times = Vec::new();
    for account in &accounts {
        account.get(&elsewhere).await.unwrap();
        end(&tokend, account).await;
        let ended = Instant::now();
        eventually("the other replica refuses", async || {
            let answer = account.get(&elsewhere).await;
            answer
                .is_err()
                .then(|| refused(answer, Code::FailedPrecondition, "NOT_CONNECTED"))
        })
        .await;
        times.push(ended.elapsed());
    }
    times.sort();
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!(
        "P-24: {} disconnects known elsewhere after {p50:?} (p50), {p99:?} (p99)",
        times.len()
    );
    assert!(p99 <= PROMISED, "{p99:?}");

    // Ended while the other replica has the renewed tokens on their way.
    let gate = tokend
        .simulator
        .faults_of(&client_of("ended"))
        .hold(Endpoint::Token);
    let renewals: Vec<_> = under_way
        .iter()
        .map(|account| {
            let (account, elsewhere) = (account.clone(), elsewhere.clone());
            tokio::spawn(async move { account.get_instead_of(&elsewhere, Some(1)).await })
        })
        .collect();
    gate.waiting(under_way.len()).await;
    for account in &under_way {
        end(&tokend, account).await;
    }
    gate.open();
    for renewal in renewals {
        assert!(
            renewal.await.unwrap().is_err(),
            "a token of an ended connection"
        );
    }
    let ledger = tokend.simulator.ledger();
    for (account, backend) in under_way
        .iter()
        .flat_map(|a| [(a, &elsewhere), (a, &tokend.backend)])
    {
        refused(
            account.get(backend).await,
            Code::FailedPrecondition,
            "NOT_CONNECTED",
        );
    }
    eventually("no grant is left at the provider", async || {
        ledger.live_grants().is_empty().then_some(())
    })
    .await;
    other.stop().await;
    tokend.stop().await;
}

async fn end(tokend: &Tokend, account: &Account) {
    let revoke = v1::RevokeConnectionRequest {
        connection_id: account.connection_id.clone(),
        ..Default::default()
    };
    let revoked = tokend.operator.admin().revoke_connection(revoke).await;
    revoked.unwrap();
}
