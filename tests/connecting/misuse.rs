//! Completing what one must not: nothing is redeemed, nothing is connected, and the starter can still go on.

use std::sync::Arc;

use tokend_api::v1;
use tokend_tests::databases;
use tonic::Code;

use crate::{
    answers::refused,
    calls::{
        Returned, complete, connect, connections, consented, nothing_was_redeemed, start, wish,
    },
    visitor::{self, parameter},
};

const MISMATCH: &str = "COMPLETION_MISMATCH";

#[tokio::test(flavor = "multi_thread")]
async fn another_user_cannot_complete() {
    for database in databases() {
        let tokend = start(database).await;
        let returned = consented(&tokend, "ada", wish(&tokend)).await;
        let stolen = complete(&tokend, "bob", &returned).await;
        refused(stolen, Code::PermissionDenied, MISMATCH);
        nothing_was_redeemed(&tokend).await;

        let connection = complete(&tokend, "ada", &returned).await.unwrap();
        assert_eq!(connection.app_user_id, "ada", "{database:?}");
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_attempts_own_token_completes_it() {
    for database in databases() {
        let tokend = start(database).await;
        let returned = consented(&tokend, "ada", wish(&tokend)).await;
        let other = consented(&tokend, "ada", wish(&tokend)).await;
        let bobs = consented(&tokend, "bob", wish(&tokend)).await;
        for wrong in [
            "wrong".to_owned(),
            "A".repeat(43),
            returned.completion_token[1..].to_owned(),
            format!("{} ", returned.completion_token),
            returned.authorization_id.clone(),
            other.completion_token.clone(),
            bobs.completion_token.clone(),
            "x".repeat(4096),
        ] {
            let wrong = Returned {
                completion_token: wrong,
                ..returned.clone()
            };
            let answer = complete(&tokend, "ada", &wrong).await;
            refused(answer, Code::PermissionDenied, MISMATCH);
        }
        let none = Returned {
            completion_token: String::new(),
            ..returned.clone()
        };
        let answer = complete(&tokend, "ada", &none).await;
        refused(answer, Code::InvalidArgument, "INVALID_FIELD");
        nothing_was_redeemed(&tokend).await;

        complete(&tokend, "ada", &returned).await.unwrap();
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn completing_works_once() {
    for database in databases() {
        let tokend = Arc::new(start(database).await);
        let returned = consented(&tokend, "ada", wish(&tokend)).await;
        let attempts = (0..20).map(|_| {
            let (tokend, returned) = (Arc::clone(&tokend), returned.clone());
            tokio::spawn(async move { complete(&tokend, "ada", &returned).await })
        });
        let answers = futures::future::join_all(attempts).await;
        let completed = answers.iter().filter(|answer| matches!(answer, Ok(Ok(_))));
        assert_eq!(completed.count(), 1, "{database:?}");
        let ledger = tokend.simulator.ledger();
        assert_eq!((ledger.token_calls(), ledger.reuses()), (1, 0));

        let again = complete(&tokend, "ada", &returned).await;
        let status = refused(again, Code::FailedPrecondition, "AUTHORIZATION_EXPIRED");
        assert!(status.message().contains("used already"), "{status:?}");
        assert_eq!((ledger.token_calls(), ledger.reuses()), (1, 0));
        assert_eq!(connections(&tokend).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn completing_before_the_callback_has_to_wait() {
    for database in databases() {
        let tokend = start(database).await;
        let started = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
        let early = Returned {
            authorization_id: started.authorization_id,
            completion_token: "A".repeat(43),
        };
        let answer = complete(&tokend, "ada", &early).await;
        refused(answer, Code::FailedPrecondition, "AUTHORIZATION_PENDING");
        let arrived = visitor::arrive(&started.redirect_url).await;
        let answer = complete(&tokend, "ada", &early).await;
        refused(answer, Code::FailedPrecondition, "AUTHORIZATION_PENDING");
        nothing_was_redeemed(&tokend).await;

        let back = arrived.go_on().await.location();
        let returned = Returned {
            completion_token: parameter(&back, "completion_token"),
            ..early
        };
        complete(&tokend, "ada", &returned).await.unwrap();
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_attempt_is_not_found() {
    let tokend = start(tokend_tests::Database::Sqlite).await;
    let returned = consented(&tokend, "ada", wish(&tokend)).await;
    for (id, code, reason) in [
        (
            "authz_01890000000070008000000000000000",
            Code::NotFound,
            "AUTHORIZATION_NOT_FOUND",
        ),
        ("", Code::InvalidArgument, "INVALID_FIELD"),
        ("no such thing", Code::InvalidArgument, "INVALID_FIELD"),
    ] {
        let unknown = Returned {
            authorization_id: id.to_owned(),
            ..returned.clone()
        };
        refused(complete(&tokend, "ada", &unknown).await, code, reason);
    }
    nothing_was_redeemed(&tokend).await;
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_to_the_app_is_completed_by_the_app_alone() {
    for database in databases() {
        let tokend = start(database).await;
        let started = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
        let arrived = visitor::arrive(&started.redirect_url).await;
        let back = arrived.go_on().await.location();
        let returned = Returned {
            authorization_id: started.authorization_id,
            completion_token: parameter(&back, "completion_token"),
        };

        // The browser's own way is for attempts that show our page; here the app has to say who its user is.
        let context = visitor::callback_context(&tokend, "users").await;
        let url = format!("{}/oauth/complete/{context}", tokend.public_url());
        let fields = [
            ("authorization_id", returned.authorization_id.as_str()),
            ("completion_token", returned.completion_token.as_str()),
            ("binding", arrived.cookie.split('=').next().unwrap()),
        ];
        let cookie = [("cookie", arrived.cookie.as_str())];
        let posted = visitor::request(reqwest::Method::POST, &url, &cookie, &fields).await;
        posted.is_error(403, MISMATCH);

        // Operators complete what operators start, in their own workspace and with the token of the start.
        let request = v1::CompleteAuthorizationRequest {
            authorization_id: returned.authorization_id.clone(),
            completion_token: "A".repeat(43),
            ..Default::default()
        };
        let answer = tokend
            .operator
            .admin()
            .complete_authorization(request.clone())
            .await;
        refused(answer, Code::PermissionDenied, MISMATCH);
        let answer = tokend.backend.admin().complete_authorization(request).await;
        refused(answer, Code::PermissionDenied, "CALLER_NOT_ALLOWED");
        nothing_was_redeemed(&tokend).await;

        complete(&tokend, "ada", &returned).await.unwrap();
        tokend.stop().await;
    }
}
