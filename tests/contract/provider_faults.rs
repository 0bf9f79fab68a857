//! A provider that fails while no valid token is left: the right reason, nothing lost, all well afterwards.

use std::time::{Duration, Instant};

use tokend_api::v1;
use tokend_simulator::{Behaviour, Endpoint, Fault, Rotation};
use tokend_tests::Options;
use tonic::{Code, Status};

use crate::answers::{
    eventually, metadata, on_each_database, only_connection, refused, retry_delay,
    with_a_token_that_ran_out,
};

const UNAVAILABLE: &str = "PROVIDER_UNAVAILABLE";
const MISBEHAVED: &str = "PROVIDER_MISBEHAVED";

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_has_its_reason_and_loses_nothing() {
    on_each_database(async |database| {
        let (tokend, before) = with_a_token_that_ran_out(Options {
            database,
            ..quick()
        })
        .await;
        let faults = tokend.simulator.faults();
        for (fault, reason) in [
            (Fault::status(500), UNAVAILABLE),
            (Fault::Close, UNAVAILABLE),
            (Fault::Hang, UNAVAILABLE),
            (Fault::error(400, "temporarily_unavailable"), UNAVAILABLE),
            (Fault::html(), MISBEHAVED),
            (Fault::error(200, "something_odd"), MISBEHAVED),
            (Fault::redirect("http://127.0.0.1:9/"), MISBEHAVED),
            (Fault::huge_body(1 << 20), MISBEHAVED),
            (Fault::too_many_requests(0), "PROVIDER_RATE_LIMITED"),
        ] {
            let what = format!("{database:?} {fault:?}");
            faults.push(Endpoint::Token, fault);
            let status = refused(tokend.get().await, Code::Unavailable, reason);
            assert!(retry_delay(&status).is_some(), "{what}");
            assert_eq!(faults.pending(Endpoint::Token), 0, "{what}");
            let connection = only_connection(&tokend).await;
            assert_eq!(connection.status(), v1::ConnectionStatus::Expired, "{what}");
            assert_eq!(connection.status_reason, reason, "{what}");
        }

        let renewed = tokend.get().await.unwrap();
        assert_eq!(
            (renewed.generation, &renewed.connection_id),
            (2, &before.connection_id)
        );
        let connection = only_connection(&tokend).await;
        assert_eq!(connection.status(), v1::ConnectionStatus::Authorized);
        assert_eq!(connection.status_reason, "");
        let ledger = tokend.simulator.ledger();
        assert_eq!(
            (ledger.refreshes(), ledger.reuses()),
            (1, 0),
            "{database:?}"
        );
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_asks_to_slow_down_is_left_alone_that_long() {
    on_each_database(async |database| {
        let (tokend, _) = with_a_token_that_ran_out(Options {
            database,
            ..quick()
        })
        .await;
        tokend
            .simulator
            .faults()
            .push(Endpoint::Token, Fault::too_many_requests(1));
        let ledger = tokend.simulator.ledger();
        let calls = ledger.token_calls();
        let begun = Instant::now();
        let status = limited(tokend.get().await);
        let delay = retry_delay(&status).unwrap();
        assert!((0.5..=1.0).contains(&delay.as_secs_f64()), "{delay:?}");

        let renewed = eventually("the provider is asked again", async || {
            match tokend.get().await {
                Ok(vended) => Some(vended),
                answer => {
                    let delay = retry_delay(&limited(answer)).unwrap();
                    assert!(delay <= Duration::from_secs(1), "{delay:?}");
                    assert_eq!(ledger.token_calls(), calls + 1);
                    None
                }
            }
        });
        assert_eq!(renewed.await.generation, 2);
        assert!(
            // Times are kept in whole milliseconds.
            begun.elapsed() >= Duration::from_millis(999),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(ledger.token_calls(), calls + 2, "{database:?}");
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_client_credentials_are_the_operators_to_correct() {
    let (tokend, _) = with_a_token_that_ran_out(quick()).await;
    tokend
        .simulator
        .faults()
        .push(Endpoint::Token, Fault::error(401, "invalid_client"));
    let status = refused(
        tokend.get().await,
        Code::FailedPrecondition,
        "CLIENT_REJECTED",
    );
    assert_eq!(metadata(&status, "connectorId"), "simshared");
    let connection = only_connection(&tokend).await;
    assert_eq!(
        connection.status(),
        v1::ConnectionStatus::Expired,
        "the grant is not at fault"
    );

    assert_eq!(tokend.get().await.unwrap().generation, 2);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_provider_is_not_called_for_each_caller() {
    let options = Options {
        configure: |config| config.vending.first_pause_seconds = 600,
        ..quick()
    };
    let (tokend, _) = with_a_token_that_ran_out(options).await;
    tokend
        .simulator
        .faults()
        .always(Endpoint::Token, Some(Fault::status(503)));
    let ledger = tokend.simulator.ledger();
    let calls = ledger.token_calls();
    for _ in 0..20 {
        let status = refused(tokend.get().await, Code::Unavailable, UNAVAILABLE);
        let delay = retry_delay(&status).unwrap();
        // Who waits may try again soon, so that the provider's return is noticed.
        assert!(delay <= Duration::from_secs(3), "{delay:?}");
    }
    let made = ledger.token_calls() - calls;
    assert!((1..=3).contains(&made), "{made} calls for 20 callers");
    tokend.stop().await;
}

#[track_caller]
fn limited(answer: Result<v1::VendedConnection, Status>) -> Status {
    refused(answer, Code::Unavailable, "PROVIDER_RATE_LIMITED")
}

/// No pauses of our own after failures, and no long wait for answers that do not come.
fn quick() -> Options {
    Options {
        configure: |config| {
            config.vending.first_pause_seconds = 0;
            config.oauth.timeout_seconds = 1;
        },
        // With a strict one each call without an answer would have to be waited for.
        rotation: "stays_valid",
        behaviour: Behaviour {
            rotation: Rotation::None,
            ..Behaviour::default()
        },
        ..Options::default()
    }
}
