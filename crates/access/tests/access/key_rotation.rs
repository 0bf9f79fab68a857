//! Keys that change, go away or cannot be fetched.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures::future::join_all;
use tokend_access::{IssuerOptions, TokenRejection};

use crate::{
    issuer::{Answer, Issuer, Verifier},
    signing_key::SigningKey,
};

/// Just over the floor between two fetches.
const AFTER_THE_FLOOR: i64 = 11;

#[tokio::test]
async fn a_new_key_is_picked_up_once_the_floor_has_passed() {
    let (old, new) = (SigningKey::es256("old"), SigningKey::es256("new"));
    let issuer = Issuer::start(&[&old]).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    assert!(verifier.verify(&old.sign(&issuer.claims())).await.is_ok());

    issuer.publish(&[&old, &new]);
    let token = new.sign(&issuer.claims());
    for _ in 0..5 {
        assert_eq!(
            verifier.verify(&token).await,
            Err(TokenRejection::UnknownKey)
        );
    }
    assert_eq!(issuer.fetches(), 1);
    verifier.clock.advance(AFTER_THE_FLOOR);
    assert!(verifier.verify(&token).await.is_ok());
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn many_calls_at_once_fetch_once() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    let token = key.sign(&issuer.claims());
    let mut calls = Vec::new();
    for _ in 0..50 {
        calls.push(verifier.verify(&token));
    }
    let mut accepted = 0;
    for result in join_all(calls).await {
        assert!(result.is_ok());
        accepted += 1;
    }
    assert_eq!((accepted, issuer.fetches()), (50, 1));
}

#[tokio::test]
async fn a_caller_that_goes_away_in_the_middle_of_a_fetch_costs_the_next_one_nothing() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[]).await;
    issuer.answer(Answer::Held(vec![key.jwk()]));
    let verifier = Verifier::new(vec![issuer.options()]);
    let token = key.sign(&issuer.claims());
    let asked = async {
        while issuer.fetches() == 0 {
            tokio::task::yield_now().await;
        }
    };
    // The caller is dropped once its fetch is under way.
    tokio::select! {
        answer = verifier.verify(&token) => panic!("answered without keys: {answer:?}"),
        () = asked => {}
    }
    issuer.release();
    assert!(verifier.verify(&token).await.is_ok());
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn an_outage_keeps_the_known_keys() {
    let (key, new) = (SigningKey::es256("k1"), SigningKey::es256("new"));
    let issuer = Issuer::start(&[&key]).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    assert!(verifier.verify(&key.sign(&issuer.claims())).await.is_ok());

    for answer in [
        Answer::Status(StatusCode::INTERNAL_SERVER_ERROR),
        Answer::Text("<html>".to_owned()),
        Answer::Keys(vec![]),
        Answer::RedirectTo(vec![key.jwk(), new.jwk()]),
        Answer::Text(" ".repeat(300 * 1024)),
    ] {
        issuer.answer(answer);
        verifier.clock.advance(AFTER_THE_FLOOR);
        assert_eq!(
            verifier.verify(&new.sign(&issuer.claims())).await,
            Err(TokenRejection::KeysUnavailable)
        );
        // A fresh token, which is not remembered from before.
        assert!(verifier.verify(&key.sign(&issuer.claims())).await.is_ok());
    }
    issuer.publish(&[&key, &new]);
    verifier.clock.advance(AFTER_THE_FLOOR);
    assert!(verifier.verify(&new.sign(&issuer.claims())).await.is_ok());
}

#[tokio::test]
async fn without_any_key_the_reason_is_the_outage() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    issuer.answer(Answer::Status(StatusCode::SERVICE_UNAVAILABLE));
    let verifier = Verifier::new(vec![issuer.options()]);
    let token = key.sign(&issuer.claims());
    assert_eq!(
        verifier.verify(&token).await,
        Err(TokenRejection::KeysUnavailable)
    );
    issuer.publish(&[&key]);
    verifier.clock.advance(AFTER_THE_FLOOR);
    assert!(verifier.verify(&token).await.is_ok());
}

#[tokio::test]
async fn a_withdrawn_key_stops_working() {
    let (leaked, new) = (SigningKey::es256("leaked"), SigningKey::es256("new"));
    let issuer = Issuer::start(&[&leaked]).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    let remembered = leaked.sign(&issuer.claims());
    assert!(verifier.verify(&remembered).await.is_ok());

    issuer.publish(&[&new]);
    verifier.clock.advance(601);
    // The refresh runs beside the calls that go on with the old keys.
    let wait = Instant::now() + Duration::from_secs(30);
    while verifier
        .verify(&leaked.sign(&issuer.claims()))
        .await
        .is_ok()
    {
        assert!(Instant::now() < wait, "the old key still works");
        tokio::task::yield_now().await;
    }
    verifier.clock.advance(301);
    assert_eq!(
        verifier.verify(&remembered).await,
        Err(TokenRejection::UnknownKey)
    );
    assert!(verifier.verify(&new.sign(&issuer.claims())).await.is_ok());
}

#[tokio::test]
async fn after_a_long_silence_keys_are_looked_at_before_they_are_used() {
    let (leaked, new) = (SigningKey::es256("leaked"), SigningKey::es256("new"));
    let issuer = Issuer::start(&[&leaked]).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    assert!(
        verifier
            .verify(&leaked.sign(&issuer.claims()))
            .await
            .is_ok()
    );
    // With the issuer away, what is known is good.
    issuer.answer(Answer::Status(StatusCode::SERVICE_UNAVAILABLE));
    verifier.clock.advance(1201);
    assert!(
        verifier
            .verify(&leaked.sign(&issuer.claims()))
            .await
            .is_ok()
    );
    assert_eq!(issuer.fetches(), 2);
    // That was looked at just now.
    assert!(
        verifier
            .verify(&leaked.sign(&issuer.claims()))
            .await
            .is_ok()
    );
    issuer.publish(&[&new]);
    verifier.clock.advance(1201);
    assert_eq!(
        verifier.verify(&leaked.sign(&issuer.claims())).await,
        Err(TokenRejection::UnknownKey)
    );
    assert!(verifier.verify(&new.sign(&issuer.claims())).await.is_ok());
}

#[tokio::test]
async fn a_remembered_token_still_expires() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    let token = key.sign(&issuer.claims());
    assert!(verifier.verify(&token).await.is_ok());
    verifier.clock.advance(3600 + 9);
    assert!(verifier.verify(&token).await.is_ok());
    verifier.clock.advance(1);
    assert_eq!(verifier.verify(&token).await, Err(TokenRejection::Expired));
}

#[tokio::test]
async fn keys_are_found_through_discovery() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let discovered = IssuerOptions {
        jwks_url: None,
        ..issuer.options()
    };
    let verifier = Verifier::new(vec![discovered.clone()]);
    assert!(verifier.verify(&key.sign(&issuer.claims())).await.is_ok());

    // The document names another issuer than the one that is trusted.
    let verifier = Verifier::new(vec![IssuerOptions {
        issuer: format!("{}/", issuer.url()),
        ..discovered
    }]);
    let mut claims = issuer.claims();
    claims["iss"] = format!("{}/", issuer.url()).into();
    assert_eq!(
        verifier.verify(&key.sign(&claims)).await,
        Err(TokenRejection::KeysUnavailable)
    );
}
