//! Attempts that are ended, or cleared away, while their code is being redeemed.

use std::time::Instant;

use tokend_api::v1;
use tokend_simulator::{Endpoint, Fault};
use tokend_tests::{Options, Tokend, eventually};
use tonic::Status;

use crate::calls::{Returned, complete, consented, get, start, wish};

/// Completes while `meanwhile` happens between the provider's answer and its arrival.
async fn complete_while(
    tokend: &Tokend,
    returned: &Returned,
    meanwhile: impl AsyncFnOnce(),
) -> Result<v1::Connection, Status> {
    let faults = tokend.simulator.faults();
    faults.push(Endpoint::Token, Fault::HoldAnswer);
    let interfere = async {
        let ledger = tokend.simulator.ledger();
        ledger
            .wait_until(|ledger| !ledger.live_grants().is_empty())
            .await;
        meanwhile().await;
        faults.release(Endpoint::Token);
    };
    tokio::join!(complete(tokend, "ada", returned), interfere).0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_erased_user_had_just_consented_to_is_revoked() {
    for database in tokend_tests::databases() {
        let tokend = start(database).await;
        let returned = consented(&tokend, "ada", wish(&tokend)).await;
        let answer = complete_while(&tokend, &returned, async || {
            let erase = v1::EraseUserRequest {
                app_user_id: "ada".to_owned(),
                ..Default::default()
            };
            tokend.operator.admin().erase_user(erase).await.unwrap();
        })
        .await;
        answer.unwrap_err();
        assert!(get(&tokend, "ada", Default::default()).await.is_err());
        let left = tokend.simulator.ledger().live_grants();
        assert!(left.is_empty(), "{left:?}");
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clearing_away_leaves_what_is_being_completed() {
    let tokend = Tokend::start(Options {
        configure: |config| config.connect.authorization_ttl_seconds = 3,
        ..Options::default()
    })
    .await;
    let began = Instant::now();
    let returned = consented(&tokend, "ada", wish(&tokend)).await;
    let answer = complete_while(&tokend, &returned, async || {
        eventually("the attempt's time is over", async || {
            let seconds = began.elapsed().as_secs();
            (seconds > 4).then_some(())
        })
        .await;
        let reap = v1::ReapConnectionsRequest::default();
        let reaped = tokend.operator.admin().reap_connections(reap).await;
        assert_eq!(reaped.unwrap().into_inner().authorization_count, 0);
    })
    .await;
    answer.unwrap();
    get(&tokend, "ada", Default::default()).await.unwrap();
    tokend.stop().await;
}
