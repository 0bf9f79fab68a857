//! Devices without a browser: a person consents elsewhere, and the provider is never asked too often.

use std::time::{Duration, Instant};

use tokend_api::v1;
use tokend_simulator::{Endpoint, Fault};
use tokend_tests::{Options, Tokend, databases, definition, eventually};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    answers::{refused, violations},
    own_types::{apply, start},
};

async fn with_devices(options: Options) -> Tokend {
    let tokend = Tokend::start(options).await;
    let base = tokend.simulator.base_url();
    let toml = format!("{}\n[device]\nurl = \"{base}/device\"\n", definition(base));
    apply(&tokend, "simshared", toml, Vec::new()).await;
    tokend
}

async fn show_code(tokend: &Tokend) -> v1::StartAuthorizationResponse {
    let start = v1::StartAuthorizationRequest {
        device: true,
        ..start("simshared")
    };
    let mut admin = tokend.operator.admin();
    admin.start_authorization(start).await.unwrap().into_inner()
}

async fn complete(
    tokend: &Tokend,
    started: &v1::StartAuthorizationResponse,
) -> Result<v1::Connection, Status> {
    let complete = v1::CompleteAuthorizationRequest {
        authorization_id: started.authorization_id.clone(),
        completion_token: started.completion_token.clone(),
        ..Default::default()
    };
    let mut admin = tokend.operator.admin();
    let completed = admin.complete_authorization(complete).await?;
    Ok(completed.into_inner().connection.unwrap())
}

/// Completes again until it is not pending any more.
async fn settled(
    tokend: &Tokend,
    started: &v1::StartAuthorizationResponse,
) -> Result<v1::Connection, Status> {
    eventually(
        "the device's attempt is decided",
        async || match complete(tokend, started).await {
            Err(status) if tokend_tests::reason(&status) == "AUTHORIZATION_PENDING" => None,
            decided => Some(decided),
        },
    )
    .await
}

async fn state(tokend: &Tokend, id: &str) -> v1::AuthorizationState {
    let get = v1::GetAuthorizationRequest {
        authorization_id: id.to_owned(),
        ..Default::default()
    };
    let found = tokend.operator.admin().get_authorization(get).await;
    found.unwrap().into_inner().authorization.unwrap().state()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_consents_on_another_device() {
    for database in databases() {
        let options = Options {
            database,
            ..Options::default()
        };
        let tokend = with_devices(options).await;
        let began = Instant::now();
        let started = show_code(&tokend).await;
        assert_eq!(started.redirect_url, "");
        let device = started.device.clone().unwrap();
        assert!(device.verification_uri.ends_with("/device"));
        assert!(device.verification_uri_complete.contains(&device.user_code));
        let awaiting = v1::AuthorizationState::AwaitingCompletion;
        assert_eq!(state(&tokend, &started.authorization_id).await, awaiting);

        // Asked too soon, the provider hears nothing of it.
        let status = refused(
            complete(&tokend, &started).await,
            Code::FailedPrecondition,
            "AUTHORIZATION_PENDING",
        );
        let told = status.get_error_details().retry_info().unwrap().retry_delay;
        assert!(told.unwrap() <= Duration::from_secs(1), "{told:?}");
        assert_eq!(tokend.simulator.ledger().token_calls(), 0);

        let asked = || tokend.simulator.ledger().token_calls() > 0;
        eventually("the provider was asked and said not yet", async || {
            complete(&tokend, &started).await.unwrap_err();
            asked().then_some(())
        })
        .await;
        tokend.simulator.decide_device(&device.user_code, true);
        let connection = settled(&tokend, &started).await.unwrap();
        assert_eq!(connection.status(), v1::ConnectionStatus::Authorized);
        let (calls, seconds) = (tokend.simulator.ledger().token_calls(), began.elapsed());
        assert!(calls as u64 <= seconds.as_secs(), "{calls} in {seconds:?}");
        assert!(tokend.get().await.is_ok());
        let again = complete(&tokend, &started).await;
        refused(again, Code::FailedPrecondition, "AUTHORIZATION_EXPIRED");
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_and_a_code_that_ran_out_end_it() {
    let tokend = with_devices(Options::default()).await;
    let denied = show_code(&tokend).await;
    let code = denied.device.clone().unwrap().user_code;
    tokend.simulator.decide_device(&code, false);
    let answer = settled(&tokend, &denied).await;
    refused(answer, Code::FailedPrecondition, "AUTHORIZATION_DENIED");
    let ended = v1::AuthorizationState::Denied;
    assert_eq!(state(&tokend, &denied.authorization_id).await, ended);

    let late = show_code(&tokend).await;
    let code = late.device.clone().unwrap().user_code;
    tokend.simulator.expire_device(&code);
    let answer = settled(&tokend, &late).await;
    refused(answer, Code::FailedPrecondition, "AUTHORIZATION_EXPIRED");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_without_device_codes_says_so() {
    let tokend = Tokend::start(Options::default()).await;
    let start = v1::StartAuthorizationRequest {
        device: true,
        ..start("simshared")
    };
    let answer = tokend.operator.admin().start_authorization(start).await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(violations(&status)[0].0, "device");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_long_the_provider_wants_to_be_left_alone_it_is_only_a_wait() {
    let tokend = with_devices(Options::default()).await;
    let started = show_code(&tokend).await;
    // Some hundred thousand years.
    let wait = Fault::too_many_requests(9_000_000_000_000);
    tokend.simulator.faults().push(Endpoint::Token, wait);
    let status = eventually("the provider was asked", async || {
        let status = complete(&tokend, &started).await.unwrap_err();
        (tokend_tests::reason(&status) != "AUTHORIZATION_PENDING").then_some(status)
    })
    .await;
    assert_eq!(tokend_tests::reason(&status), "PROVIDER_RATE_LIMITED");
    let awaiting = v1::AuthorizationState::AwaitingCompletion;
    assert_eq!(state(&tokend, &started.authorization_id).await, awaiting);
    tokend.stop().await;
}
