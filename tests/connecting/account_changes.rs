//! Another account on connecting again: taken, refused, or asked about.

use sqlx::Connection;
use tokend_api::v1;
use tokend_simulator::{Account, Endpoint, Fault};
use tokend_tests::{Options, Tokend, databases, for_user};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    answers::{eventually, refused},
    calls::{Returned, complete, connect, consented, get, wish},
    visitor::{self, arrive},
};

/// A tokend whose app users' connector treats other accounts like that, with ada connected as `user-1`.
async fn connected(options: Options, change: v1::AccountChange) -> (Tokend, v1::Connection) {
    let tokend = Tokend::start(options).await;
    let connection = tokend.connect_user("ada").await;
    let update = v1::UpdateConnectorRequest {
        connector: Some(v1::Connector {
            connector_id: "users".to_owned(),
            account_change: change.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut admin = tokend.operator.admin();
    admin.update_connector(update).await.unwrap();
    (tokend, connection)
}

/// Consents again, now as `user-2`.
async fn consented_as_another(tokend: &Tokend) -> Returned {
    tokend.simulator.change(|behaviour| {
        behaviour.account = Account {
            sub: "user-2".to_owned(),
            email: "grace@example.com".to_owned(),
            name: "Grace".to_owned(),
        };
    });
    let again = v1::ConnectAppUserRequest {
        reconnect: true,
        ..wish(tokend)
    };
    consented(tokend, "ada", again).await
}

async fn accept(tokend: &Tokend, returned: &Returned) -> Result<v1::Connection, Status> {
    let request = v1::CompleteAppUserConnectionRequest {
        authorization_id: returned.authorization_id.clone(),
        completion_token: returned.completion_token.clone(),
        accept_account_change: true,
    };
    let request = for_user(request, &tokend.user_token("ada"));
    let mut connectors = tokend.backend.connectors();
    let answer = connectors.complete_app_user_connection(request).await?;
    Ok(answer.into_inner().connection.unwrap())
}

/// While no server runs.
async fn an_hour_goes_by(tokend: &Tokend) {
    change(
        tokend,
        "UPDATE authorizations SET expire_time = expire_time - 3600000",
    )
    .await;
}

/// Changes rows of the database.
async fn change(tokend: &Tokend, statement: &'static str) {
    let url = &tokend.config.database.url;
    let mut database = sqlx::SqliteConnection::connect(url).await.unwrap();
    let changed = sqlx::query(statement).execute(&mut database).await;
    assert_ne!(changed.unwrap().rows_affected(), 0, "{statement}");
}

/// The connector's secret cannot be opened, and then it can again.
const UNREADABLE: &str =
    "UPDATE connectors SET client_secret = CAST(x'00' || client_secret AS BLOB) WHERE id = 'users'";
const READABLE: &str =
    "UPDATE connectors SET client_secret = substr(client_secret, 2) WHERE id = 'users'";

async fn erase(tokend: &Tokend) -> Result<v1::EraseUserResponse, Status> {
    let request = v1::EraseUserRequest {
        app_user_id: "ada".to_owned(),
        ..Default::default()
    };
    let erased = tokend.operator.admin().erase_user(request).await?;
    Ok(erased.into_inner())
}

fn live_accounts(tokend: &Tokend) -> Vec<String> {
    let grants = tokend.simulator.ledger().grants();
    let live = grants.into_iter().filter(|grant| grant.live);
    live.map(|grant| grant.account).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_is_asked_about_and_nothing_is_redeemed_twice() {
    for database in databases() {
        let options = Options {
            database,
            ..Options::default()
        };
        let (tokend, before) = connected(options, v1::AccountChange::Ask).await;
        let returned = consented_as_another(&tokend).await;
        for _ in 0..2 {
            let answer = complete(&tokend, "ada", &returned).await;
            let status = refused(answer, Code::FailedPrecondition, "ACCOUNT_CHANGED");
            let details = status.get_error_details();
            let metadata = &details.error_info().unwrap().metadata;
            assert_eq!(metadata["connectionId"], before.connection_id);
            let vended = get(&tokend, "ada", Default::default()).await.unwrap();
            assert_eq!(vended.account.unwrap().id, "user-1", "it goes on as it is");
        }
        let after = accept(&tokend, &returned).await.unwrap();
        assert_eq!(after.connection_id, before.connection_id);
        assert_eq!(after.account.unwrap().id, "user-2");
        let vended = get(&tokend, "ada", Default::default()).await.unwrap();
        assert_eq!(vended.account.unwrap().id, "user-2");
        // Once for each consent.
        assert_eq!(tokend.simulator.ledger().token_calls(), 2);
        let again = accept(&tokend, &returned).await;
        refused(again, Code::FailedPrecondition, "AUTHORIZATION_EXPIRED");
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_account_is_not_asked_about() {
    for change in [v1::AccountChange::Ask, v1::AccountChange::Refuse] {
        let (tokend, before) = connected(Options::default(), change).await;
        let again = v1::ConnectAppUserRequest {
            reconnect: true,
            ..wish(&tokend)
        };
        let returned = consented(&tokend, "ada", again).await;
        let after = complete(&tokend, "ada", &returned).await.unwrap();
        assert_eq!(after.connection_id, before.connection_id);
        assert_eq!(after.generation, before.generation + 1);
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_is_refused_and_its_grant_revoked() {
    let (tokend, before) = connected(Options::default(), v1::AccountChange::Refuse).await;
    let returned = consented_as_another(&tokend).await;
    let answer = complete(&tokend, "ada", &returned).await;
    let status = refused(answer, Code::FailedPrecondition, "AUTHORIZATION_FAILED");
    assert!(status.message().contains("another"), "{status:?}");
    assert_eq!(live_accounts(&tokend), ["user-1"]);
    let vended = get(&tokend, "ada", Default::default()).await.unwrap();
    assert_eq!(vended.connection_id, before.connection_id);
    assert_eq!(vended.generation, before.generation);
    assert_eq!(vended.account.unwrap().id, "user-1");
    // Accepting is not the app's to say here.
    let returned = consented_as_another(&tokend).await;
    let answer = accept(&tokend, &returned).await;
    refused(answer, Code::FailedPrecondition, "AUTHORIZATION_FAILED");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_is_taken_unless_the_connector_says_otherwise() {
    let (tokend, before) = connected(Options::default(), v1::AccountChange::Accept).await;
    let returned = consented_as_another(&tokend).await;
    let after = complete(&tokend, "ada", &returned).await.unwrap();
    assert_eq!(after.connection_id, before.connection_id);
    assert_eq!(after.account.unwrap().id, "user-2");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_tokends_own_asks_in_the_browser() {
    let (tokend, before) = connected(Options::default(), v1::AccountChange::Ask).await;
    tokend
        .simulator
        .change(|behaviour| behaviour.account.sub = "user-2".to_owned());
    let again = v1::ConnectAppUserRequest {
        reconnect: true,
        return_url: None,
        ..wish(&tokend)
    };
    let started = crate::calls::connect(&tokend, "ada", again).await.unwrap();
    let arrived = arrive(&started.redirect_url).await;
    let confirm = arrived.go_on().await;
    let context = arrived.callback.path().rsplit('/').next().unwrap();
    let action = format!("{}/oauth/complete/{context}", tokend.public_url());
    let cookie = [("cookie", arrived.cookie.as_str())];
    let post = reqwest::Method::POST;
    let asked = visitor::request(post.clone(), &action, &cookie, &confirm.form()).await;
    assert!(
        asked.body.contains("Use the other account"),
        "{}",
        asked.body
    );
    let taken = visitor::request(post, &action, &cookie, &asked.form()).await;
    assert!(taken.body.contains("is connected"), "{}", taken.body);
    let vended = get(&tokend, "ada", Default::default()).await.unwrap();
    assert_eq!(vended.connection_id, before.connection_id);
    assert_eq!(vended.account.unwrap().id, "user-2");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_nobody_answers_ends_with_the_grant_revoked() {
    let (tokend, _) = connected(Options::default(), v1::AccountChange::Ask).await;
    let returned = consented_as_another(&tokend).await;
    let answer = complete(&tokend, "ada", &returned).await;
    refused(answer, Code::FailedPrecondition, "ACCOUNT_CHANGED");
    assert_eq!(live_accounts(&tokend), ["user-1", "user-2"]);
    an_hour_goes_by(&tokend).await;
    let tokend = tokend.restart().await;
    eventually("the other account's grant is revoked", async || {
        (live_accounts(&tokend) == ["user-1"]).then_some(())
    })
    .await;
    let late = accept(&tokend, &returned).await;
    refused(late, Code::FailedPrecondition, "AUTHORIZATION_EXPIRED");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_accounts_grant_is_revoked_whatever_failed_last() {
    let (tokend, _) = connected(Options::default(), v1::AccountChange::Ask).await;
    let returned = consented_as_another(&tokend).await;
    let answer = complete(&tokend, "ada", &returned).await;
    refused(answer, Code::FailedPrecondition, "ACCOUNT_CHANGED");
    let faults = tokend.simulator.faults();
    faults.push(Endpoint::Userinfo, Fault::Close);
    let answer = complete(&tokend, "ada", &returned).await;
    refused(answer, Code::Unavailable, "PROVIDER_UNAVAILABLE");
    an_hour_goes_by(&tokend).await;
    let tokend = tokend.restart().await;
    eventually("the other account's grant is revoked", async || {
        (live_accounts(&tokend) == ["user-1"]).then_some(())
    })
    .await;
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_cannot_be_ended_is_ended_later_and_stops_no_other() {
    let (tokend, _) = connected(Options::default(), v1::AccountChange::Ask).await;
    let returned = consented_as_another(&tokend).await;
    let answer = complete(&tokend, "ada", &returned).await;
    refused(answer, Code::FailedPrecondition, "ACCOUNT_CHANGED");
    connect(&tokend, "bob", wish(&tokend)).await.unwrap();
    an_hour_goes_by(&tokend).await;
    change(&tokend, UNREADABLE).await;
    let tokend = tokend.restart().await;
    let url = tokend.config.database.url.clone();
    eventually("bob's attempt is ended", async || {
        let mut database = sqlx::SqliteConnection::connect(&url).await.ok()?;
        let failed = "SELECT count(*) FROM authorizations WHERE state = 'FAILED'";
        let failed: i64 = sqlx::query_scalar(failed)
            .fetch_one(&mut database)
            .await
            .ok()?;
        (failed == 1).then_some(())
    })
    .await;
    assert_eq!(live_accounts(&tokend), ["user-1", "user-2"]);
    change(&tokend, READABLE).await;
    let tokend = tokend.restart().await;
    eventually("the other account's grant is revoked", async || {
        (live_accounts(&tokend) == ["user-1"]).then_some(())
    })
    .await;
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_that_fails_leaves_held_grants_for_the_next_time() {
    let (tokend, _) = connected(Options::default(), v1::AccountChange::Ask).await;
    let returned = consented_as_another(&tokend).await;
    let answer = complete(&tokend, "ada", &returned).await;
    refused(answer, Code::FailedPrecondition, "ACCOUNT_CHANGED");
    change(&tokend, UNREADABLE).await;
    erase(&tokend).await.unwrap_err();
    assert_eq!(live_accounts(&tokend), ["user-1", "user-2"]);
    change(&tokend, READABLE).await;
    erase(&tokend).await.unwrap();
    assert!(live_accounts(&tokend).is_empty());
    tokend.stop().await;
}
