//! `rejected_generation`: a caller's 401 renews the token once for everybody.

use futures::future::join_all;
use tokend_simulator::Endpoint;
use tokend_tests::{Options, Tokend, databases};

use crate::answers::instead_of;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_complaints_about_one_token_cause_one_redemption() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend.connect_shared().await;
        assert_eq!(tokend.get().await.unwrap().generation, 1);

        let gate = tokend.simulator.faults().hold(Endpoint::Token);
        let callers = join_all((0..1000).map(|_| tokend.get_with(instead_of(1))));
        let release = async {
            gate.waiting(1).await;
            gate.open();
        };
        let (answers, ()) = tokio::join!(callers, release);

        for answer in answers {
            assert_eq!(answer.unwrap().generation, 2);
        }
        let ledger = tokend.simulator.ledger();
        assert_eq!(
            (ledger.refreshes(), ledger.reuses()),
            (1, 0),
            "{database:?}"
        );
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complaint_about_an_older_token_gets_the_newer_one_without_a_call() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend.connect_shared().await;
        let first = tokend.get().await.unwrap();
        let second = tokend.get_with(instead_of(1)).await.unwrap();
        assert_eq!(second.generation, 2);
        assert_ne!(second.access_token, first.access_token);

        let calls = tokend.simulator.ledger().token_calls();
        let again = tokend.get_with(instead_of(1)).await.unwrap();
        assert_eq!(
            (again.generation, again.access_token),
            (2, second.access_token)
        );
        assert_eq!(
            tokend.simulator.ledger().token_calls(),
            calls,
            "{database:?}"
        );
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complaint_about_a_token_that_was_never_issued_renews_nothing() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    for _ in 0..3 {
        let vended = tokend.get_with(instead_of(4_000_000_000)).await.unwrap();
        assert_eq!(vended.generation, 1);
    }
    assert_eq!(tokend.simulator.ledger().refreshes(), 0);
    tokend.stop().await;
}
