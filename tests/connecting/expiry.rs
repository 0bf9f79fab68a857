//! An attempt's time is over: at the ticket, at the callback and at completion, each time before anything is redeemed.

use std::time::{Duration, SystemTime};

use tokend_api::v1;
use tokend_tests::{Database, Options, Tokend, databases};
use tonic::Code;

use crate::{
    answers::{eventually, refused},
    calls::{Returned, complete, connect, consented, nothing_was_redeemed, wish},
    visitor::{arrive, get},
};

/// Long enough to come as far as each test wants to, on a busy machine too.
const LIFETIME: Duration = Duration::from_secs(3);
const EXPIRED: &str = "AUTHORIZATION_EXPIRED";

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_runs_out() {
    for database in databases() {
        let tokend = short_lived(database).await;
        let started = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
        over(&tokend, &started.authorization_id).await;
        get(&started.redirect_url, "").await.is_error(400, EXPIRED);
        nothing_was_redeemed(&tokend).await;
        let not_connected = tokend.get_for(&tokend.user_token("ada")).await;
        refused(not_connected, Code::FailedPrecondition, "NOT_CONNECTED");
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_runs_out_and_says_so_though_the_cookie_is_gone() {
    for database in databases() {
        let tokend = short_lived(database).await;
        let started = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
        let arrived = arrive(&started.redirect_url).await;
        over(&tokend, &started.authorization_id).await;
        // By then the browser has dropped the cookie.
        let answer = get(arrived.callback.as_str(), "").await;
        answer.is_error(400, EXPIRED);
        let guess = Returned {
            authorization_id: started.authorization_id,
            completion_token: "A".repeat(43),
        };
        let answer = complete(&tokend, "ada", &guess).await;
        refused(answer, Code::FailedPrecondition, EXPIRED);
        nothing_was_redeemed(&tokend).await;
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_token_runs_out() {
    for database in databases() {
        let tokend = short_lived(database).await;
        let returned = consented(&tokend, "ada", wish(&tokend)).await;
        over(&tokend, &returned.authorization_id).await;
        let answer = complete(&tokend, "ada", &returned).await;
        refused(answer, Code::FailedPrecondition, EXPIRED);
        nothing_was_redeemed(&tokend).await;
        tokend.stop().await;
    }
}

async fn short_lived(database: Database) -> Tokend {
    Tokend::start(Options {
        database,
        configure: |config| config.connect.authorization_ttl_seconds = 3,
        ..Options::default()
    })
    .await
}

/// Waits until the attempt's time is over.
async fn over(tokend: &Tokend, authorization_id: &str) {
    let request = v1::GetAuthorizationRequest {
        authorization_id: authorization_id.to_owned(),
        wait_time: None,
    };
    let mut admin = tokend.operator.admin();
    eventually("the time is over", async || {
        let answer = admin.get_authorization(request.clone()).await.unwrap();
        let attempt = answer.into_inner().authorization.unwrap();
        let begun = SystemTime::try_from(attempt.create_time.unwrap()).unwrap();
        let end = SystemTime::try_from(attempt.expire_time.unwrap()).unwrap();
        assert_eq!(end.duration_since(begun).unwrap(), LIFETIME);
        (attempt.state() == v1::AuthorizationState::Expired).then_some(())
    })
    .await;
}
