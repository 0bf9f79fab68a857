//! Several client secrets, while one is being rotated.

use serde_json::{Value, json};
use tokend_model::ports::AuthorizationServer;
use tokend_model::{Secret, TokenFailureKind};

use crate::fake::{Asked, Bench, CODE, Fake, Outcome, credential, secret};

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
        assert_eq!(fake.asked().len(), 9);
    }
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
