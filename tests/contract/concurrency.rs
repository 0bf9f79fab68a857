//! Many callers, replicas and shutdowns at once: one redemption, and no renewed token is lost.

use std::time::Duration;

use futures::future::join_all;
use tokend_api::v1;
use tokend_simulator::Endpoint;
use tokend_tests::{Database, Options, Tokend, databases};

use crate::answers::{eventually, instead_of};

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_and_five_hundred_callers_cause_one_redemption() {
    if !databases().contains(&Database::Postgres) {
        return;
    }
    let tokend = Tokend::start(Options {
        database: Database::Postgres,
        ..Options::default()
    })
    .await;
    tokend.connect_shared().await;
    let (other, other_backend) = tokend.replica().await;
    let gate = tokend.simulator.faults().hold(Endpoint::Token);
    let ask = |caller: usize| {
        let backend = if caller.is_multiple_of(2) {
            &tokend.backend
        } else {
            &other_backend
        };
        let integration_type = "simshared".to_owned();
        let get = v1::GetConnectionRequest {
            integration_type,
            ..instead_of(1)
        };
        async move { backend.connectors().get_connection(get).await }
    };
    let callers = join_all((0..500).map(ask));
    let release = async {
        gate.waiting(1).await;
        gate.open();
    };
    let (answers, ()) = tokio::join!(callers, release);

    for answer in answers {
        assert_eq!(answer.unwrap().into_inner().generation, 2);
    }
    let ledger = tokend.simulator.ledger();
    assert_eq!((ledger.refreshes(), ledger.reuses()), (1, 0));
    assert_eq!(ledger.most_presentations(), 1);
    other.stop().await;
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_go_away_do_not_take_the_renewed_token_with_them() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend.connect_shared().await;
        for generation in 1..=5 {
            let gate = tokend.simulator.faults().hold(Endpoint::Token);
            let callers: Vec<_> = (0..50)
                .map(|caller| {
                    let mut connectors = tokend.backend.connectors();
                    let integration_type = "simshared".to_owned();
                    let get = v1::GetConnectionRequest {
                        integration_type,
                        ..instead_of(generation)
                    };
                    let call = tokio::spawn(async move { connectors.get_connection(get).await });
                    // Some go at once, before their call has left; the others while the provider is busy.
                    if caller % 3 == 0 {
                        call.abort();
                    }
                    call
                })
                .collect();
            gate.waiting(1).await;
            callers.iter().for_each(tokio::task::JoinHandle::abort);
            let ends = join_all(callers).await;
            assert!(ends.iter().all(Result::is_err), "all of them have gone");
            gate.open();

            let stored = eventually("the renewed token is there", async || {
                let vended = tokend.get().await.unwrap();
                (vended.generation == generation + 1).then_some(vended)
            });
            assert!(
                tokend
                    .simulator
                    .ledger()
                    .is_access_token_live(&stored.await.access_token)
            );
        }
        let ledger = tokend.simulator.ledger();
        assert_eq!(
            (ledger.refreshes(), ledger.reuses()),
            (5, 0),
            "{database:?}"
        );
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_finishes_the_exchange_under_way() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend.connect_shared().await;
        let ledger = tokend.simulator.ledger();
        let gate = tokend.simulator.faults().hold(Endpoint::Token);
        let mut connectors = tokend.backend.connectors();
        let integration_type = "simshared".to_owned();
        let get = v1::GetConnectionRequest {
            integration_type,
            ..instead_of(1)
        };
        let caller = tokio::spawn(async move { connectors.get_connection(get).await });
        gate.waiting(1).await;
        // Its caller has gone: only the exchange itself can keep the server from ending.
        caller.abort();
        let probe = format!("{}/readyz", tokend.operations_url());

        let mut restarting = tokio::spawn(tokend.restart());
        eventually("the server is stopping", async || {
            let ready = reqwest::get(&probe)
                .await
                .is_ok_and(|answer| answer.status() == 200);
            (!ready).then_some(())
        })
        .await;
        let early = tokio::time::timeout(Duration::from_secs(1), &mut restarting).await;
        assert!(
            early.is_err(),
            "{database:?}: it did not wait for the exchange"
        );
        gate.open();
        let tokend = restarting.await.unwrap();

        assert_eq!(tokend.get().await.unwrap().generation, 2, "{database:?}");
        assert_eq!((ledger.refreshes(), ledger.reuses()), (1, 0));
        tokend.stop().await;
    }
}
