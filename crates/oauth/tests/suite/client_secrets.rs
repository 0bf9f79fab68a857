//! Several client secrets, while one is being rotated.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokend_model::ports::AuthorizationServer;
use tokend_model::{Secret, TokenFailureKind};
use tokend_oauth::OAuthOptions;

use crate::fake::{Asked, Bench, CODE, Fake, FixedClock, Outcome, credential, options, secret};

const POST: &str = "
    [authorize]
    url = 'ORIGIN/authorize'
    [token]
    url = 'ORIGIN/token'
    auth = 'client_secret_post'
    [errors.codes]
    wrong_app_key = 'client_rejected'
    [revoke]
    url = 'ORIGIN/revoke'
";

/// A connector whose third secret is the right one.
fn with_three(mut bench: Bench) -> Bench {
    bench.connector.client_secret = Some(Secret::new("first"));
    bench.connector.other_client_secrets = vec![Secret::new("second"), Secret::new("third")];
    bench
}

async fn refusing(status: u16, refusal: Value) -> Result<Fake, Box<dyn std::error::Error>> {
    Fake::json(
        move |asked| match asked.form().get("client_secret").map(String::as_str) {
            Some("third") => (200, json!({"access_token": "t"})),
            _ => (status, refusal.clone()),
        },
    )
    .await
}

fn sent(asked: &[Asked]) -> Vec<String> {
    let secret = |asked: &Asked| asked.form().get("client_secret").cloned();
    asked.iter().filter_map(secret).collect()
}

#[tokio::test]
async fn a_refused_client_tries_its_next_secret() -> Outcome {
    for (status, refusal) in [
        (401, json!({"error": "invalid_client"})),
        (400, json!({"error": "invalid_client"})),
        (401, json!({})),
        (400, json!({"error": "wrong_app_key"})),
        // Some report errors with a status of success.
        (200, json!({"error": "wrong_app_key"})),
    ] {
        let fake = refusing(status, refusal.clone()).await?;
        let bench = with_three(Bench::defined(&fake.origin, POST)?);
        let refresh_token = secret();
        bench.refresh(&refresh_token, &[]).await?;
        assert_eq!(
            sent(&fake.asked()),
            ["first", "second", "third"],
            "{status} {refusal}"
        );
        let tokens: Vec<_> = fake
            .asked()
            .iter()
            .map(|asked| asked.form()["refresh_token"].clone())
            .collect();
        assert!(tokens.iter().all(|token| token == refresh_token.expose()));
        bench.redeem_code().await?;
        let revoked = bench
            .client
            .revoke(bench.registration(), &credential(None))
            .await?;
        assert!(revoked);
        // What was taken is tried first from then on.
        assert_eq!(sent(&fake.asked())[3..], ["third", "third"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_secret_that_is_no_longer_taken_gives_way_to_the_others() -> Outcome {
    let fake = refusing(401, json!({"error": "invalid_client"})).await?;
    let mut bench = with_three(Bench::defined(&fake.origin, POST)?);
    bench.refresh(&secret(), &[]).await?;
    bench.connector.other_client_secrets = vec![Secret::new("third"), Secret::new("second")];
    bench.refresh(&secret(), &[]).await?;
    assert_eq!(sent(&fake.asked())[3..], ["third"]);
    bench.connector.client_secret = Some(Secret::new("third"));
    bench.connector.other_client_secrets = Vec::new();
    bench.refresh(&secret(), &[]).await?;
    bench.connector.client_secret = Some(Secret::new("fourth"));
    bench.connector.other_client_secrets = vec![Secret::new("fifth")];
    assert!(bench.refresh(&secret(), &[]).await.is_err());
    assert_eq!(sent(&fake.asked())[4..], ["third", "fourth", "fifth"]);
    Ok(())
}

#[tokio::test]
async fn a_slow_refusal_is_the_answer_when_little_time_is_left() -> Outcome {
    let timeout = Duration::from_secs(2);
    let fake = Fake::start(move |_| {
        let refusal = async move {
            tokio::time::sleep(timeout * 3 / 5).await;
            Ok::<_, std::convert::Infallible>(json!({"error": "invalid_client"}).to_string())
        };
        let slow = Body::from_stream(futures::stream::once(refusal));
        (StatusCode::UNAUTHORIZED, slow).into_response()
    })
    .await?;
    let options = OAuthOptions {
        timeout,
        ..options()
    };
    let bench = Bench::defined_with(&fake.origin, POST, &options, Arc::new(FixedClock))?;
    let failed = with_three(bench).refresh(&secret(), &[]).await.err();
    assert_eq!(
        failed.map(|failure| failure.kind),
        Some(TokenFailureKind::ClientRejected)
    );
    assert_eq!(sent(&fake.asked()), ["first"]);
    Ok(())
}

#[tokio::test]
async fn any_other_answer_is_the_answer() -> Outcome {
    for (status, answer, kind) in [
        (
            400,
            json!({"error": "invalid_grant"}),
            TokenFailureKind::GrantRejected,
        ),
        (
            401,
            json!({"error": "invalid_grant"}),
            TokenFailureKind::GrantRejected,
        ),
        (
            400,
            json!({"error": "invalid_request"}),
            TokenFailureKind::RequestRejected,
        ),
        (
            500,
            json!({"error": "invalid_client"}),
            TokenFailureKind::Ambiguous,
        ),
        (
            429,
            json!({"error": "invalid_client"}),
            TokenFailureKind::RateLimited,
        ),
        (
            200,
            json!({"error": "invalid_client"}),
            TokenFailureKind::ClientRejected,
        ),
        // What may hold a token is written down before it is read, whatever else it says.
        (
            200,
            json!({"error": "wrong_app_key", "access_token": "t"}),
            TokenFailureKind::ClientRejected,
        ),
        (
            200,
            json!({"error": "wrong_app_key", "refresh_token": "r"}),
            TokenFailureKind::ClientRejected,
        ),
    ] {
        let fake = refusing(status, answer.clone()).await?;
        let bench = with_three(Bench::defined(&fake.origin, POST)?);
        let failed = bench.refresh(&secret(), &[]).await.err();
        assert_eq!(
            failed.map(|failure| failure.kind),
            Some(kind),
            "{status} {answer}"
        );
        assert_eq!(sent(&fake.asked()), ["first"], "{status} {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn when_all_are_refused_the_last_refusal_counts() -> Outcome {
    let fake = Fake::json(|_| (401, json!({"error": "invalid_client"}))).await?;
    let bench = with_three(Bench::defined(&fake.origin, CODE)?);
    let failed = bench
        .refresh(&secret(), &[])
        .await
        .err()
        .ok_or("it was taken")?;
    assert_eq!(failed.kind, TokenFailureKind::ClientRejected);
    let headers: Vec<_> = fake
        .asked()
        .iter()
        .map(|asked| asked.header("authorization").to_owned())
        .collect();
    assert_eq!(headers.len(), 3);
    assert!(headers[0] != headers[1] && headers[1] != headers[2]);
    Ok(())
}
