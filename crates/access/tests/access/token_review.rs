//! Callers that are pods, where the API server is asked about each token (threat T-11).

use std::sync::Arc;

use futures::future::join_all;
use serde_json::json;
use tokend_access::CallerRejection;

use crate::{
    callers::Callers,
    cluster::{ACCOUNT, Cluster, Reviewer},
    issuer::AUDIENCE,
    signing_key::SigningKey,
};

async fn reviewed() -> (SigningKey, Cluster, Callers) {
    let key = SigningKey::es256("k1");
    let cluster = Cluster::start(&[&key]).await;
    let callers = Callers::new(vec![], vec![cluster.options(true)]);
    (key, cluster, callers)
}

#[tokio::test]
async fn the_api_server_is_asked_for_our_audience_once_a_minute() {
    let (key, cluster, callers) = reviewed().await;
    let token = key.sign(&cluster.claims());
    for (later, reviews) in [(0, 1), (0, 1), (59, 1), (1, 2), (59, 2), (1, 3)] {
        callers.clock.advance(later);
        let caller = callers.authenticate(&token).await.unwrap();
        assert_eq!(
            (caller.name.as_str(), cluster.reviews()),
            (ACCOUNT, reviews)
        );
    }
    let spec = &cluster.asked()["spec"];
    assert_eq!(spec["token"], json!(token));
    assert_eq!(spec["audiences"], json!([AUDIENCE]));
}

#[tokio::test]
async fn a_deleted_pods_token_works_no_longer_than_a_minute() {
    let (key, cluster, callers) = reviewed().await;
    let token = key.sign(&cluster.claims());
    assert!(callers.authenticate(&token).await.is_ok());
    cluster.answer(Reviewer::SaysNo);
    callers.clock.advance(59);
    assert!(callers.authenticate(&token).await.is_ok());
    callers.clock.advance(1);
    let answer = callers.authenticate(&token).await;
    assert_eq!(answer, Err(CallerRejection::TokenRefused));
}

#[tokio::test]
async fn what_a_reviewer_does_not_confirm_for_us_is_refused() {
    let (key, cluster, callers) = reviewed().await;
    for (reviewer, rejection) in [
        (Reviewer::AudienceBlind, CallerRejection::TokenRefused),
        (Reviewer::OwnAudience, CallerRejection::TokenRefused),
        (Reviewer::SaysNo, CallerRejection::TokenRefused),
        (Reviewer::OtherUser, CallerRejection::TokenRefused),
        (Reviewer::Away, CallerRejection::Unavailable),
        (Reviewer::Nonsense, CallerRejection::Unavailable),
    ] {
        cluster.answer(reviewer);
        let token = key.sign(&cluster.claims());
        let asked = cluster.reviews() + 1;
        // Whoever asks again at once gets the same answer, without the API server's being asked.
        for _ in 0..3 {
            assert_eq!(callers.authenticate(&token).await, Err(rejection));
        }
        assert_eq!(cluster.reviews(), asked);
        // It does not stick: a second later it is asked again.
        cluster.answer(Reviewer::Good);
        callers.clock.advance(1);
        assert!(callers.authenticate(&token).await.is_ok());
    }
}

#[tokio::test]
async fn an_answer_outlives_the_api_server_but_not_its_minute() {
    let (key, cluster, callers) = reviewed().await;
    let token = key.sign(&cluster.claims());
    assert!(callers.authenticate(&token).await.is_ok());
    cluster.answer(Reviewer::Away);
    callers.clock.advance(59);
    assert!(callers.authenticate(&token).await.is_ok());
    callers.clock.advance(1);
    let answer = callers.authenticate(&token).await;
    assert_eq!(answer, Err(CallerRejection::Unavailable));
    assert!(CallerRejection::Unavailable.is_transient());
}

#[tokio::test]
async fn an_answer_does_not_outlive_its_token() {
    let (key, cluster, callers) = reviewed().await;
    let mut claims = cluster.claims();
    claims["exp"] = json!(callers.clock.seconds() + 30);
    let token = key.sign(&claims);
    callers.clock.advance(29);
    assert!(callers.authenticate(&token).await.is_ok());
    assert!(callers.authenticate(&token).await.is_ok());
    assert_eq!(cluster.reviews(), 1);
    // Our tolerance for clocks is not the API server's to share.
    cluster.answer(Reviewer::SaysNo);
    callers.clock.advance(1);
    let answer = callers.authenticate(&token).await;
    assert_eq!(answer, Err(CallerRejection::TokenRefused));
}

#[tokio::test]
async fn one_token_is_reviewed_once_and_many_a_few_at_a_time() {
    let (key, cluster, callers) = reviewed().await;
    // The keys are there.
    assert!(
        callers
            .authenticate(&key.sign(&cluster.claims()))
            .await
            .is_ok()
    );
    let callers = Arc::new(callers);
    cluster.answer(Reviewer::Held);
    let one = key.sign(&cluster.claims());
    let mut tokens: Vec<_> = (0..50).map(|_| one.clone()).collect();
    tokens.extend((0..60).map(|_| key.sign(&cluster.claims())));
    let calls: Vec<_> = tokens
        .into_iter()
        .map(|token| {
            let callers = callers.clone();
            tokio::spawn(async move { callers.authenticate(&token).await.map(drop) })
        })
        .collect();
    while cluster.at_once() < 16 {
        tokio::task::yield_now().await;
    }
    cluster.answer(Reviewer::Good);
    for answer in join_all(calls).await {
        assert_eq!(answer.unwrap(), Ok(()));
    }
    assert_eq!(cluster.most_at_once(), 16);
    assert_eq!(cluster.reviews(), 1 + 1 + 60);
}

#[tokio::test]
async fn a_caller_that_goes_away_in_the_middle_of_a_review_costs_the_next_one_nothing() {
    let (key, cluster, callers) = reviewed().await;
    cluster.answer(Reviewer::Held);
    let token = key.sign(&cluster.claims());
    let asked = async {
        while cluster.at_once() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = callers.authenticate(&token) => panic!("answered: {answer:?}"),
        () = asked => {}
    }
    cluster.answer(Reviewer::Good);
    assert!(callers.authenticate(&token).await.is_ok());
}
