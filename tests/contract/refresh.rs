//! Renewing over generations: what the provider says of refresh tokens is taken at its word.

use tokend_simulator::Rotation;
use tokend_tests::{Options, Tokend, databases};

use crate::answers::{instead_of, on_each_database, only_connection, with_a_token_that_ran_out};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ran_out_is_renewed_by_asking_for_it() {
    on_each_database(async |database| {
        let options = Options {
            database,
            ..Options::default()
        };
        let (tokend, before) = with_a_token_that_ran_out(options).await;
        let vended = tokend.get().await.unwrap();
        assert_eq!(
            (vended.generation, &vended.connection_id),
            (2, &before.connection_id)
        );
        assert!(
            tokend
                .simulator
                .ledger()
                .is_access_token_live(&vended.access_token)
        );
        assert_eq!(vended.account, before.account);
        assert_eq!(vended.scopes, before.scopes);
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refresh_token_is_used_once_over_many_generations_and_a_restart() {
    for database in databases() {
        let mut tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend
            .simulator
            .change(|behaviour| behaviour.rotation = Rotation::Strict);
        tokend.connect_shared().await;
        for generation in 1..=8 {
            let renewed = tokend.get_with(instead_of(generation)).await.unwrap();
            assert_eq!(renewed.generation, generation + 1);
            if generation == 4 {
                tokend = tokend.restart().await;
            }
        }
        let ledger = tokend.simulator.ledger();
        assert_eq!(
            (ledger.refreshes(), ledger.reuses()),
            (8, 0),
            "{database:?}"
        );
        assert_eq!(ledger.most_presentations(), 1);
        assert_eq!((ledger.grants().len(), ledger.live_grants().len()), (1, 1));
        assert_eq!(only_connection(&tokend).await.generation, 9);
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_refresh_token_keeps_the_old_one() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend
            .simulator
            .change(|behaviour| behaviour.rotation = Rotation::None);
        tokend.connect_shared().await;
        for generation in 1..=4 {
            let renewed = tokend.get_with(instead_of(generation)).await.unwrap();
            assert_eq!(renewed.generation, generation + 1);
        }
        let ledger = tokend.simulator.ledger();
        assert_eq!(
            (ledger.refreshes(), ledger.most_presentations()),
            (4, 4),
            "{database:?}"
        );
        tokend.stop().await;
    }
}
