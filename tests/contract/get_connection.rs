//! GetConnection: one renewal for everybody, and the token that is there.

use std::time::Duration;

use futures::future::join_all;
use tokend_api::v1;
use tokend_simulator::{Behaviour, Endpoint, Rotation};
use tokend_tests::{Options, Tokend, databases};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_callers_on_one_expired_token_cause_one_redemption() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            behaviour: Behaviour {
                access_token_lifetime: Some(Duration::from_secs(3600)),
                rotation: Rotation::Strict,
                ..Behaviour::default()
            },
            ..Options::default()
        })
        .await;
        tokend.connect_shared().await;
        let first = tokend.get().await.unwrap();
        assert_eq!(first.generation, 1);

        let gate = tokend.simulator.faults().hold(Endpoint::Token);
        let ask = || tokend.get_with(v1::GetConnectionRequest {
            rejected_generation: Some(1),
            ..Default::default()
        });
        let callers = join_all((0..1000).map(|_| ask()));
        let release = async {
            gate.waiting(1).await;
            gate.open();
        };
        let (answers, ()) = tokio::join!(callers, release);

        for answer in answers {
            assert_eq!(answer.unwrap().generation, 2);
        }
        let ledger = tokend.simulator.ledger();
        assert_eq!((ledger.refreshes(), ledger.reuses()), (1, 0), "{database:?}");
        tokend.stop().await;
    }
}
