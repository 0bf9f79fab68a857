//! The grants that nobody has to consent to, and that renew by doing the same again.

use std::collections::BTreeMap;

use serde_json::json;
use tokend_model::{Expiry, Secret, TokenFailureKind};

use crate::fake::{Bench, Fake, Outcome, now, scopes, secret};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

async fn answering() -> Result<Fake, Box<dyn std::error::Error>> {
    let body = json!({"access_token": "t", "expires_in": 60, "refresh_token": "not kept"});
    Fake::json(move |_| (200, body.clone())).await
}

#[tokio::test]
async fn client_credentials_are_enough_each_time() -> Outcome {
    let fake = answering().await?;
    let sections = "
        grant = 'client_credentials'
        [token]
        url = 'ORIGIN/token'
        auth = 'client_secret_post'
        params = { audience = '{audience}' }
        [[connection_config]]
        name = 'audience'
        display_name = ''
        description = ''
        default = 'api'
        pattern = '.*'
        pattern_error = ''
    ";
    let bench = Bench::defined(&fake.origin, sections)?;
    let asked_for = scopes(&["a", "b"]);
    let first = bench.obtain(None, &asked_for).await?;
    assert_eq!(first.access_token, Secret::new("t"));
    assert_eq!(
        first.expiry,
        Expiry::At(now() + chrono::Duration::seconds(60))
    );
    let standing = first.refresh_token.ok_or("nothing renews it")?;
    assert_eq!(standing, Secret::new("client_credentials"));
    let again = bench.refresh(&standing, &asked_for).await?;
    assert_eq!(again.refresh_token, Some(standing));
    let expected = map(&[
        ("grant_type", "client_credentials"),
        ("client_id", "client:1"),
        ("client_secret", bench.client_secret()),
        ("scope", "a b"),
        ("audience", "api"),
    ]);
    let forms: Vec<_> = fake.asked().iter().map(|asked| asked.form()).collect();
    assert_eq!(forms, [expected.clone(), expected]);
    // Without scopes there is no such parameter.
    bench.obtain(None, &[]).await?;
    assert!(!fake.last()?.form().contains_key("scope"));
    Ok(())
}

#[tokio::test]
async fn a_subject_token_is_exchanged_each_time() -> Outcome {
    let fake = answering().await?;
    let sections = "
        grant = 'token_exchange'
        [token]
        url = 'ORIGIN/token'
        [subject]
        token_type = 'urn:ietf:params:oauth:token-type:jwt'
        params = { audience = 'billing', resource = '{resource}' }
        [[connection_config]]
        name = 'resource'
        display_name = ''
        description = ''
        pattern = '.*'
        pattern_error = ''
    ";
    let bench = Bench::defined(&fake.origin, sections)?;
    let subject = secret();
    let first = bench.obtain(Some(&subject), &scopes(&["a"])).await?;
    assert_eq!(first.refresh_token.as_ref(), Some(&subject));
    let again = bench.refresh(&subject, &scopes(&["a"])).await?;
    assert_eq!(again.refresh_token, None, "the subject token stays");
    let expected = map(&[
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", subject.expose()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("audience", "billing"),
        ("scope", "a"),
    ]);
    let forms: Vec<_> = fake.asked().iter().map(|asked| asked.form()).collect();
    assert_eq!(forms, [expected.clone(), expected]);
    assert!(fake.last()?.header("authorization").starts_with("Basic "));
    let missing = bench.obtain(None, &[]).await.err();
    assert_eq!(
        missing.map(|failure| failure.kind),
        Some(TokenFailureKind::NotSent)
    );
    Ok(())
}

#[tokio::test]
async fn a_type_that_needs_consent_gives_nothing_without() -> Outcome {
    let bench = Bench::defined("https://idp.example.com", crate::fake::CODE)?;
    let failed = bench.obtain(None, &[]).await.err();
    assert_eq!(
        failed.map(|failure| failure.kind),
        Some(TokenFailureKind::NotSent)
    );
    Ok(())
}

#[tokio::test]
async fn refusals_of_these_grants_are_told_apart() -> Outcome {
    let sections = "grant = 'client_credentials'\n[token]\nurl = 'ORIGIN/token'";
    for (status, body, kind) in [
        (401, json!({}), TokenFailureKind::ClientRejected),
        (
            400,
            json!({"error": "invalid_scope"}),
            TokenFailureKind::RequestRejected,
        ),
        (503, json!({}), TokenFailureKind::Ambiguous),
        (200, json!({}), TokenFailureKind::Garbage),
    ] {
        let fake = Fake::json(move |_| (status, body.clone())).await?;
        let failed = Bench::defined(&fake.origin, sections)?
            .obtain(None, &[])
            .await
            .err();
        assert_eq!(failed.map(|failure| failure.kind), Some(kind), "{status}");
    }
    Ok(())
}
