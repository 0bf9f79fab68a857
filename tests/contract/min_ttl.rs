//! `min_ttl`: renewed first where the token is too short, and never more often than that helps.

use std::time::Duration;

use tokend_api::v1;
use tokend_simulator::{Endpoint, Fault};
use tokend_tests::{Options, Tokend};
use tonic::Code;

use crate::answers::{
    eventually, good_for, on_each_database, refused, until_less_is_left, violations, warnings,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_too_short_is_renewed_first() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend
            .simulator
            .change(|b| b.access_token_lifetime = Some(Duration::from_secs(10)));
        tokend.connect_shared().await;
        let first = tokend.get().await.unwrap();
        until_less_is_left(first.expire_time, Duration::from_secs(9)).await;
        tokend
            .simulator
            .change(|b| b.access_token_lifetime = Some(Duration::from_secs(3600)));

        assert_eq!(tokend.get_with(good_for(5)).await.unwrap().generation, 1);
        let renewed = tokend.get_with(good_for(9)).await.unwrap();
        assert_eq!((renewed.generation, warnings(&renewed)), (2, vec![]));
        assert!(renewed.expire_time.unwrap().seconds > first.expire_time.unwrap().seconds);
        assert_eq!(tokend.simulator.ledger().refreshes(), 1, "{database:?}");
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_long_on_a_silent_provider_while_a_token_works() {
    let tokend = Tokend::start(Options::default()).await;
    tokend
        .simulator
        .change(|b| b.access_token_lifetime = Some(Duration::from_secs(20)));
    tokend.connect_shared().await;
    let first = tokend.get().await.unwrap();
    until_less_is_left(first.expire_time, Duration::from_secs(18)).await;
    let gate = tokend.simulator.faults().hold(Endpoint::Token);

    // The provider is silent for as long as the gate is shut: the answer comes before it opens.
    let vended = tokend.get_with(good_for(18)).await.unwrap();
    assert_eq!(vended.access_token, first.access_token);
    assert_eq!(warnings(&vended), [v1::WarningCode::RenewalFailing]);
    gate.waiting(1).await;
    gate.open();

    let renewed = eventually("the renewal goes on", async || {
        let vended = tokend.get().await.unwrap();
        (vended.generation == 2).then_some(())
    });
    renewed.await;
    assert_eq!(tokend.simulator.ledger().refreshes(), 1);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_life_and_more_is_no_reason_for_a_storm_of_renewals() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    let calls = tokend.simulator.ledger().token_calls();
    for min_ttl in [3600, 7200].repeat(25) {
        let vended = tokend.get_with(good_for(min_ttl)).await.unwrap();
        assert_eq!(warnings(&vended), [v1::WarningCode::ShortLived]);
        assert_eq!(vended.generation, 1);
    }
    assert_eq!(tokend.simulator.ledger().token_calls(), calls);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_token_that_cannot_be_renewed_comes_with_a_warning() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend
            .simulator
            .change(|b| b.access_token_lifetime = Some(Duration::from_secs(10)));
        tokend.connect_shared().await;
        let first = tokend.get().await.unwrap();
        until_less_is_left(first.expire_time, Duration::from_secs(9)).await;
        tokend
            .simulator
            .faults()
            .always(Endpoint::Token, Some(Fault::status(500)));

        let vended = tokend.get_with(good_for(9)).await.unwrap();
        assert_eq!(vended.generation, 1, "{database:?}");
        assert_eq!(vended.access_token, first.access_token);
        assert_eq!(warnings(&vended), [v1::WarningCode::RenewalFailing]);
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_negative_time_is_refused() {
    let tokend = Tokend::start(Options::default()).await;
    let answer = tokend.get_with(good_for(-1)).await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(violations(&status), ["min_ttl"]);
    tokend.stop().await;
}
