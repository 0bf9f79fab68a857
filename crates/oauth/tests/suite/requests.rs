//! What is sent: authorization URLs, code and refresh requests, client authentication, revocation, identity.

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tokend_model::ports::AuthorizationServer;
use tokend_model::{Secret, TokenFailureKind};
use url::Url;

use crate::fake::{Asked, Bench, Fake, Outcome, REDIRECT_URI, credential, options, secret, token};

fn gives_a_token(_: &Asked) -> Response {
    Json(json!({"access_token": token(), "token_type": "DPoP"})).into_response()
}

fn query(url: &str) -> Result<BTreeMap<String, String>, url::ParseError> {
    Ok(Url::parse(url)?.query_pairs().into_owned().collect())
}

#[tokio::test]
async fn authorization_urls_are_complete_and_never_the_same() -> Outcome {
    let bench = Bench::generic("https://idp.example.com", &options())?;
    let scopes = ["a".to_owned(), "b:c".to_owned()];
    let make = || {
        bench
            .client
            .authorize_url(bench.registration(), &scopes, REDIRECT_URI)
    };
    let (one, other) = (make().await?, make().await?);
    assert!(
        one.url
            .expose()
            .starts_with("https://idp.example.com/authorize?tenant=a&")
    );
    let query = query(one.url.expose())?;
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "client:1"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "a b:c"),
        ("code_challenge_method", "S256"),
        ("state", one.state.expose()),
    ] {
        assert_eq!(query.get(name).map(String::as_str), Some(value), "{name}");
    }
    let verifier = oauth2::PkceCodeVerifier::new(one.pkce_verifier.expose().to_owned());
    let challenge = oauth2::PkceCodeChallenge::from_code_verifier_sha256(&verifier);
    assert_eq!(
        query.get("code_challenge").map(String::as_str),
        Some(challenge.as_str())
    );
    // 256 bits in base64.
    assert!(one.state.expose().len() >= 43 && one.pkce_verifier.expose().len() >= 43);
    assert_ne!(one.state, other.state);
    assert_ne!(one.pkce_verifier, other.pkce_verifier);
    assert!(!one.url.expose().contains(one.pkce_verifier.expose()));
    Ok(())
}

#[tokio::test]
async fn a_token_endpoint_is_told_without_its_query() -> Outcome {
    let mut bench = Bench::generic("https://idp.example.com", &options())?;
    let endpoint = bench.client.token_endpoint(bench.registration());
    assert_eq!(endpoint.await?, "https://idp.example.com/token");
    let url = format!("https://other.example.com:8443/a/token?key={}", token());
    bench
        .connector
        .connection_config
        .insert("token_url".to_owned(), url);
    let endpoint = bench.client.token_endpoint(bench.registration());
    assert_eq!(endpoint.await?, "https://other.example.com:8443/a/token");
    bench.connector.connection_config.remove("token_url");
    let endpoint = bench.client.token_endpoint(bench.registration());
    let error = endpoint.await.err();
    assert!(error.is_some_and(|error| error.to_string().contains("token_url")));
    Ok(())
}

#[tokio::test]
async fn what_is_missing_is_named() -> Outcome {
    let mut bench = Bench::generic("https://idp.example.com", &options())?;
    bench
        .connector
        .connection_config
        .remove("authorization_url");
    let error = bench
        .client
        .authorize_url(bench.registration(), &[], REDIRECT_URI)
        .await
        .err();
    assert!(error.is_some_and(|error| error.to_string().contains("authorization_url")));
    Ok(())
}

#[tokio::test]
async fn a_code_is_redeemed_with_basic_authentication() -> Outcome {
    let fake = Fake::start(gives_a_token).await?;
    let bench = Bench::generic(&fake.origin, &options())?;
    let (code, verifier) = (secret(), Secret::new(token()));
    let answer = bench
        .client
        .redeem_code(bench.registration(), &code, &verifier, REDIRECT_URI)
        .await?;
    assert_eq!(answer.token_type, "DPoP");
    let asked = fake.only()?;
    assert_eq!(asked.uri.path(), "/token");
    assert_eq!(asked.header("accept"), "application/json");
    assert_eq!(asked.header("accept-encoding"), "");
    let encode =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode("client:1"), encode(bench.client_secret()));
    assert_eq!(
        asked.header("authorization"),
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    );
    let expected = [
        ("grant_type", "authorization_code"),
        ("code", code.expose()),
        ("code_verifier", verifier.expose()),
        ("redirect_uri", REDIRECT_URI),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(asked.form(), BTreeMap::from(expected));
    Ok(())
}

#[tokio::test]
async fn the_operator_chooses_the_authentication() -> Outcome {
    let fake = Fake::start(gives_a_token).await?;
    let mut bench = Bench::generic(&fake.origin, &options())?;
    for (method, has_secret) in [("client_secret_post", true), ("none", false)] {
        bench
            .connector
            .connection_config
            .insert("token_auth_method".to_owned(), method.to_owned());
        let refresh_token = secret();
        bench.refresh(&refresh_token, &["a".to_owned()]).await?;
        let asked = fake.asked().pop().ok_or("nothing asked")?;
        assert_eq!(asked.header("authorization"), "");
        let form = asked.form();
        assert_eq!(form.get("client_id").map(String::as_str), Some("client:1"));
        let sent = form.get("client_secret").map(String::as_str);
        assert_eq!(sent, has_secret.then_some(bench.client_secret()));
        assert_eq!(
            form.get("refresh_token").map(String::as_str),
            Some(refresh_token.expose())
        );
        assert_eq!(form.get("scope"), None);
    }
    bench
        .connector
        .connection_config
        .insert("token_auth_method".to_owned(), "magic".to_owned());
    let failure = bench.refresh(&secret(), &[]).await.err();
    assert_eq!(
        failure.map(|failure| failure.kind),
        Some(TokenFailureKind::NotSent)
    );
    assert_eq!(fake.asked().len(), 2);
    Ok(())
}

#[tokio::test]
async fn revocation_prefers_the_refresh_token() -> Outcome {
    let fake = Fake::start(|_| ().into_response()).await?;
    let mut bench = Bench::generic(&fake.origin, &options())?;
    for refresh_token in [Some(secret()), None] {
        let credential = credential(refresh_token);
        assert!(
            bench
                .client
                .revoke(bench.registration(), &credential)
                .await?
        );
        let asked = fake.asked().pop().ok_or("nothing asked")?;
        assert_eq!(asked.uri.path(), "/revoke");
        assert!(asked.header("authorization").starts_with("Basic "));
        let token = credential
            .refresh_token
            .as_ref()
            .unwrap_or(&credential.access_token);
        assert_eq!(
            asked.form().get("token").map(String::as_str),
            Some(token.expose())
        );
    }
    bench.connector.connection_config.remove("revocation_url");
    assert!(
        !bench
            .client
            .revoke(bench.registration(), &credential(None))
            .await?
    );
    Ok(())
}

#[tokio::test]
async fn a_refused_revocation_is_a_failure() -> Outcome {
    let fake = Fake::start(|_| {
        let error = Json(json!({"error": "unsupported_token_type"}));
        (axum::http::StatusCode::BAD_REQUEST, error).into_response()
    })
    .await?;
    let bench = Bench::generic(&fake.origin, &options())?;
    let failure = bench
        .client
        .revoke(bench.registration(), &credential(None))
        .await
        .err();
    let failure = failure.ok_or("it was taken for done")?;
    assert_eq!(failure.kind, TokenFailureKind::RequestRejected);
    assert_eq!(failure.detail, "unsupported_token_type (status 400)");
    Ok(())
}

#[tokio::test]
async fn the_account_is_found_where_it_is() -> Outcome {
    let fake =
        Fake::start(|_| Json(json!({"id": 7, "name": null, "login": "jane"})).into_response())
            .await?;
    let mut bench = Bench::generic(&fake.origin, &options())?;
    let access_token = Secret::new(token());
    let account = bench
        .client
        .identify(bench.registration(), &access_token)
        .await?
        .account;
    assert_eq!(account.id.as_deref(), Some("7"));
    assert_eq!(account.name.as_deref(), Some("jane"));
    assert_eq!(account.email, None);
    let bearer = format!("Bearer {}", access_token.expose());
    assert_eq!(fake.only()?.header("authorization"), bearer);
    bench.connector.connection_config.remove("userinfo_url");
    assert_eq!(
        bench
            .client
            .identify(bench.registration(), &access_token)
            .await?
            .account,
        Default::default()
    );
    assert_eq!(fake.asked().len(), 1);
    Ok(())
}
