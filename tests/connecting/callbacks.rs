//! The callback: every answer that is not the one this browser waits for changes nothing and redeems nothing.

use tokend_simulator::Consent;
use tokend_tests::{Options, Tokend, databases};
use tonic::Code;

use crate::{
    answers::refused,
    calls::{Returned, complete, connect, nothing_was_redeemed, start, wish},
    visitor::{arrive, callback_context, get, parameter},
};

const PRECONDITION: Code = Code::FailedPrecondition;

#[tokio::test(flavor = "multi_thread")]
async fn a_state_works_once() {
    for database in databases() {
        let tokend = start(database).await;
        let started = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
        let arrived = arrive(&started.redirect_url).await;
        let first = arrived.go_on().await.location();
        for _ in 0..3 {
            arrived
                .go_on()
                .await
                .is_error(404, "AUTHORIZATION_NOT_FOUND");
        }
        let second_ticket = get(&started.redirect_url, "").await;
        second_ticket.is_error(400, "AUTHORIZATION_EXPIRED");
        nothing_was_redeemed(&tokend).await;

        let token = parameter(&first, "completion_token");
        let returned = Returned {
            authorization_id: started.authorization_id,
            completion_token: token,
        };
        complete(&tokend, "ada", &returned).await.unwrap();
        arrived
            .go_on()
            .await
            .is_error(404, "AUTHORIZATION_NOT_FOUND");
        assert_eq!(tokend.simulator.ledger().token_calls(), 1, "{database:?}");
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_not_ours_is_refused() {
    let tokend = Tokend::start(Options::default()).await;
    let started = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
    let arrived = arrive(&started.redirect_url).await;
    let base = arrived.callback.as_str().split('?').next().unwrap();
    let code = parameter(&arrived.callback, "code");
    let state = parameter(&arrived.callback, "state");
    for (query, status, reason) in [
        (String::new(), 400, "INVALID_FIELD"),
        (format!("?code={code}"), 400, "INVALID_FIELD"),
        (
            format!("?code={code}&state={state}&state={state}"),
            400,
            "INVALID_FIELD",
        ),
        (
            format!("?code={code}&state="),
            404,
            "AUTHORIZATION_NOT_FOUND",
        ),
        (
            format!("?code={code}&state=unknown"),
            404,
            "AUTHORIZATION_NOT_FOUND",
        ),
        (
            format!("?code={code}&state={}x", state),
            404,
            "AUTHORIZATION_NOT_FOUND",
        ),
        (
            format!("?code={code}&state={}", "s".repeat(4000)),
            404,
            "AUTHORIZATION_NOT_FOUND",
        ),
        (
            "?error=access_denied&state=unknown".to_owned(),
            404,
            "AUTHORIZATION_NOT_FOUND",
        ),
    ] {
        let answer = get(&format!("{base}{query}"), &arrived.cookie).await;
        answer.is_error(status, reason);
        assert!(!answer.body.contains(&code), "the page repeats the code");
    }
    // Nobody else's guesses end the attempt.
    let back = arrived.go_on().await.location();
    nothing_was_redeemed(&tokend).await;
    let returned = Returned {
        authorization_id: started.authorization_id,
        completion_token: parameter(&back, "completion_token"),
    };
    complete(&tokend, "ada", &returned).await.unwrap();
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_another_browser_is_not_taken() {
    for database in databases() {
        let tokend = start(database).await;
        let others = connect(&tokend, "bob", wish(&tokend)).await.unwrap();
        let others = arrive(&others.redirect_url).await;
        for wrong_cookie in ["none", "foreign", "wrong"] {
            let started = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
            let arrived = arrive(&started.redirect_url).await;
            let name = arrived.cookie.split('=').next().unwrap();
            let cookies = match wrong_cookie {
                "none" => String::new(),
                "foreign" => format!("{}; {name}={}", others.cookie, value(&others.cookie)),
                _ => format!("{name}={}", "A".repeat(43)),
            };
            let answer = get(arrived.callback.as_str(), &cookies).await;
            answer.is_error(403, "COMPLETION_MISMATCH");

            // The code may be in wrong hands: this attempt is over, also for the browser that began it.
            arrived
                .go_on()
                .await
                .is_error(404, "AUTHORIZATION_NOT_FOUND");
            ended(&tokend, &started.authorization_id, "AUTHORIZATION_FAILED").await;
        }
        nothing_was_redeemed(&tokend).await;
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_another_browser_opened_binds_that_one() {
    let tokend = Tokend::start(Options::default()).await;
    let started = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
    let first = arrive(&started.redirect_url).await;
    let second = arrive(&started.redirect_url).await;
    first.go_on().await.is_error(404, "AUTHORIZATION_NOT_FOUND");
    assert!(second.go_on().await.status.is_redirection());
    nothing_was_redeemed(&tokend).await;
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_under_another_connectors_context_is_a_mix_up() {
    for database in databases() {
        let tokend = start(database).await;
        let shared = callback_context(&tokend, "simshared").await;
        let own = callback_context(&tokend, "users").await;
        assert_ne!(shared, own);
        for context in [
            shared.as_str(),
            "unknown",
            "other.users",
            "default",
            "%2e%2e",
            "%00",
        ] {
            let started = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
            let arrived = arrive(&started.redirect_url).await;
            assert!(arrived.callback.path().ends_with(&own));
            let url = arrived.under_context(context);
            let answer = get(url.as_str(), &arrived.cookie).await;
            if answer.status == reqwest::StatusCode::NOT_FOUND {
                // The URL's own rules removed the segment: there is no such page.
                continue;
            }
            answer.is_error(403, "COMPLETION_MISMATCH");
            ended(&tokend, &started.authorization_id, "AUTHORIZATION_FAILED").await;
        }
        nothing_was_redeemed(&tokend).await;
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_providers_refusal_reaches_the_app() {
    for database in databases() {
        let tokend = start(database).await;
        for (consent, told, reason) in [
            (Consent::Denied, "access_denied", "AUTHORIZATION_DENIED"),
            (
                other("server_error"),
                "server_error",
                "AUTHORIZATION_FAILED",
            ),
            (
                other("invalid_scope"),
                "invalid_scope",
                "AUTHORIZATION_FAILED",
            ),
            (
                other("temporarily_unavailable"),
                "temporarily_unavailable",
                "AUTHORIZATION_FAILED",
            ),
            (
                other("consent_required"),
                "unknown_error",
                "AUTHORIZATION_FAILED",
            ),
            (
                other("<script>alert(1)</script>"),
                "unknown_error",
                "AUTHORIZATION_FAILED",
            ),
        ] {
            tokend.simulator.change(|b| b.consent = consent);
            let started = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
            let page = tokend.browse(&started.redirect_url).await;
            let id = &started.authorization_id;
            let back = tokend.simulator.wait_for_return(id).await;
            assert_eq!(back["error"], told);
            assert!(!back.contains_key("completion_token"));
            assert!(
                page.final_url
                    .as_str()
                    .starts_with(&tokend.simulator.app_return_url())
            );
            ended(&tokend, id, reason).await;
        }
        nothing_was_redeemed(&tokend).await;
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_code_ends_the_attempt() {
    let tokend = Tokend::start(Options::default()).await;
    for query in ["", "&code="] {
        let started = connect(&tokend, "ada", wish(&tokend)).await.unwrap();
        let arrived = arrive(&started.redirect_url).await;
        let state = parameter(&arrived.callback, "state");
        let mut url = arrived.callback.clone();
        url.set_query(Some(&format!("state={state}{query}")));
        let answer = get(url.as_str(), &arrived.cookie).await;
        answer.is_error(400, "AUTHORIZATION_FAILED");
        ended(&tokend, &started.authorization_id, "AUTHORIZATION_FAILED").await;
    }
    nothing_was_redeemed(&tokend).await;
    tokend.stop().await;
}

/// That an attempt is over for this reason, whatever completion token is tried.
async fn ended(tokend: &Tokend, authorization_id: &str, reason: &str) {
    let guess = Returned {
        authorization_id: authorization_id.to_owned(),
        completion_token: "A".repeat(43),
    };
    refused(complete(tokend, "ada", &guess).await, PRECONDITION, reason);
}

fn other(error: &str) -> Consent {
    Consent::Error(error.to_owned())
}

fn value(cookie: &str) -> &str {
    cookie.split_once('=').unwrap().1
}
