//! `min_ttl`: renewed first where the token is too short, and never more often than that helps.

use std::time::Duration;

use tokend_api::v1;
use tokend_tests::{Options, Tokend, databases};
use tokend_simulator::Endpoint;
use tonic::Code;

use crate::answers::{good_for, refused, violations, warnings};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_too_short_is_renewed_first() {
    for database in databases() {
        let tokend = Tokend::start(Options { database, ..Options::default() }).await;
        tokend.connect_shared().await;
        let first = tokend.get_with(good_for(3000)).await.unwrap();
        assert_eq!(first.generation, 1, "an hour is long enough");

        // Its first second has begun, so it is not good for a whole hour any more.
        let second = tokend.get_with(good_for(3600)).await.unwrap();
        assert_eq!(warnings(&second), [v1::WarningCode::ShortLived]);
        tokend.simulator.change(|behaviour| {
            behaviour.access_token_lifetime = Some(Duration::from_secs(7200));
        });
        let longer = tokend.get_with(instead_of_first()).await.unwrap();
        assert_eq!(longer.generation, 2);
        let good = tokend.get_with(good_for(7000)).await.unwrap();
        assert_eq!((good.generation, warnings(&good)), (2, vec![]));
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_token_is_renewed_before_it_is_handed_out() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.simulator.change(|b| b.access_token_lifetime = Some(Duration::from_secs(8)));
    tokend.connect_shared().await;
    let first = tokend.get().await.unwrap();
    let end = std::time::SystemTime::try_from(first.expire_time.unwrap()).unwrap();
    let left = || end.duration_since(std::time::SystemTime::now()).unwrap_or_default();
    crate::answers::eventually("a second is gone", async || {
        (left() < Duration::from_secs(7)).then_some(())
    })
    .await;
    // Still valid, and less than the 7 s asked for; asking for less than its life, so renewing helps.
    assert_eq!(tokend.get_with(good_for(2)).await.unwrap().generation, 1);
    let renewed = tokend.get_with(good_for(7)).await.unwrap();
    assert_eq!((renewed.generation, warnings(&renewed)), (2, vec![]));
    assert_eq!(tokend.simulator.ledger().refreshes(), 1);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_tokens_life_is_no_reason_for_a_storm_of_renewals() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    let calls = tokend.simulator.ledger().token_calls();
    for _ in 0..50 {
        let vended = tokend.get_with(good_for(7200)).await.unwrap();
        assert_eq!(warnings(&vended), [v1::WarningCode::ShortLived]);
        assert_eq!(vended.generation, 1);
    }
    assert_eq!(tokend.simulator.ledger().token_calls(), calls);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_token_that_cannot_be_renewed_comes_with_a_warning() {
    for database in databases() {
        let tokend = Tokend::start(Options { database, ..Options::default() }).await;
        tokend.simulator.change(|b| b.access_token_lifetime = Some(Duration::from_secs(30)));
        tokend.connect_shared().await;
        let first = tokend.get().await.unwrap();
        let end = std::time::SystemTime::try_from(first.expire_time.unwrap()).unwrap();
        crate::answers::eventually("a second is gone", async || {
            let left = end.duration_since(std::time::SystemTime::now()).unwrap_or_default();
            (left < Duration::from_secs(29)).then_some(())
        })
        .await;
        tokend.simulator.faults().always(Endpoint::Token, Some(tokend_simulator::Fault::status(500)));

        let vended = tokend.get_with(good_for(29)).await.unwrap();
        assert_eq!((vended.generation, vended.access_token), (1, first.access_token), "{database:?}");
        let told: Vec<_> = vended.warnings.iter().map(v1::Warning::code).collect();
        assert!(told.contains(&v1::WarningCode::RenewalFailing), "{told:?}");
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_negative_time_is_refused() {
    let tokend = Tokend::start(Options::default()).await;
    let answer = tokend.get_with(good_for(-1)).await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(violations(&status), ["min_ttl"]);
    tokend.stop().await;
}

fn instead_of_first() -> v1::GetConnectionRequest {
    crate::answers::instead_of(1)
}
