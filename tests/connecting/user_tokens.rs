//! Whose token it is: only the configured issuer's word counts, and what is refused is not repeated.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Value, json};
use tokend_api::v1;
use tokend_simulator::TokenDraft;
use tokend_tests::{AUDIENCE, Options, Tokend, captured_logs, for_user};
use tonic::{Code, Request, Status};

use crate::{answers::refused, calls::wish};

const HOUR: Duration = Duration::from_secs(3600);
const UNAUTHENTICATED: &str = "APP_USER_UNAUTHENTICATED";

#[tokio::test(flavor = "multi_thread")]
async fn only_a_good_token_of_the_apps_issuer_is_a_user() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_user("ada").await;
    let draft = || -> TokenDraft {
        let simulator = &tokend.simulator;
        simulator.app_user_token_draft("ada", AUDIENCE, HOUR)
    };
    let good = draft().sign();
    tokend.get_for(&good).await.unwrap();
    let keys = key_set(&tokend).await;
    let mut sent = vec![good.clone()];
    for (what, token, words) in [
        ("nothing", String::new(), "there is no x-tokend-user-token"),
        (
            "garbage",
            "not-a-token-at-all".to_owned(),
            "not a signed JWT",
        ),
        ("dots alone", "..".to_owned(), "not a signed JWT"),
        ("long garbage", "x".repeat(7 * 1024), "not a signed JWT"),
        ("expired", draft().claim("exp", 1).sign(), "expired"),
        ("no end", draft().without_claim("exp").sign(), "exp"),
        (
            "not yet",
            draft().claim("nbf", 32_503_680_000_u64).sign(),
            "not valid yet",
        ),
        (
            "a foreign key",
            draft().with_foreign_key().sign(),
            "signature is wrong",
        ),
        (
            "an unknown key",
            draft().header("kid", "no-such-key").sign(),
            "key is not among",
        ),
        (
            "for others",
            draft().claim("aud", "another-app").sign(),
            "another audience",
        ),
        ("for nobody", draft().without_claim("aud").sign(), "aud"),
        (
            "a foreign issuer",
            draft().claim("iss", "https://issuer.example").sign(),
            "issuer is not trusted",
        ),
        ("no issuer", draft().without_claim("iss").sign(), "iss"),
        ("nobody's", draft().without_claim("sub").sign(), "sub"),
        ("a number as user", draft().claim("sub", 7).sign(), "sub"),
        ("alg none", draft().unsigned(), "not a signed JWT"),
        (
            "no signature",
            without_signature(&good),
            "signature is wrong",
        ),
        (
            "another payload",
            with_claims_of(&good, &draft().claim("sub", "bob").sign()),
            "signature is wrong",
        ),
        (
            "HS256 with the public key",
            hs256(&draft().sign(), &keys),
            "algorithm is not allowed",
        ),
        (
            "a key of its own",
            draft()
                .header("jwk", keys["keys"][0].clone())
                .with_foreign_key()
                .sign(),
            "signature is wrong",
        ),
        (
            "unknown critical",
            draft().header("crit", json!(["exp"])).sign(),
            "critical",
        ),
        (
            "another type",
            draft().header("typ", "logout+jwt").sign(),
            "another type",
        ),
    ] {
        for answer in all_calls(&tokend, &token).await {
            let status = refused(answer, Code::Unauthenticated, UNAUTHENTICATED);
            let message = status.message();
            assert!(message.contains(words), "{what}: {message}");
            if token.len() > 2 {
                let told = format!("{message}{}", String::from_utf8_lossy(status.details()));
                assert!(!told.contains(&token), "{what}: the token is repeated");
            }
        }
        sent.push(token);
    }
    let logs = captured_logs();
    for token in sent.iter().filter(|token| token.len() > 2) {
        assert!(!logs.contains(token.as_str()), "a token is logged");
    }
    assert_eq!(tokend.simulator.ledger().token_calls(), 1);
    tokend.get_for(&good).await.unwrap();
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_user_says_so() {
    let tokend = Tokend::start(Options::default()).await;
    let mut connectors = tokend.backend.connectors();
    let list = Request::new(v1::ListAppUserConnectionsRequest::default());
    let answer = connectors.list_app_user_connections(list).await;
    let status = refused(answer, Code::Unauthenticated, UNAUTHENTICATED);
    assert!(
        status.message().contains("there is no x-tokend-user-token"),
        "{status:?}"
    );

    // A proven user does not make a caller: an operator's or backend's key is needed all the same.
    let anonymous = tokend_client::Client::builder(format!("http://{}", tokend.grpc()));
    let anonymous = anonymous.connect().await.unwrap();
    let answer = anonymous
        .connectors()
        .connect_app_user(for_user(wish(&tokend), &tokend.user_token("ada")))
        .await;
    refused(answer, Code::Unauthenticated, "CALLER_UNAUTHENTICATED");
    tokend.stop().await;
}

/// Every call on behalf of a user, with that token.
async fn all_calls(tokend: &Tokend, token: &str) -> Vec<Result<(), Status>> {
    let mut connectors = tokend.backend.connectors();
    let get = v1::GetCurrentAppUserConnectionRequest {
        connector_id: "users".to_owned(),
        ..Default::default()
    };
    let batch = v1::BatchGetConnectionsRequest {
        selectors: vec![v1::ConnectionSelector {
            selector: Some(v1::connection_selector::Selector::AppUser(get.clone())),
        }],
    };
    let complete = v1::CompleteAppUserConnectionRequest::default();
    let disconnect = v1::DisconnectAppUserRequest {
        connector_id: "users".to_owned(),
        label: None,
    };
    let list = v1::ListAppUserConnectionsRequest::default();
    vec![
        connectors
            .get_current_app_user_connection(for_user(get, token))
            .await
            .map(drop),
        connectors
            .batch_get_connections(for_user(batch, token))
            .await
            .map(drop),
        connectors
            .connect_app_user(for_user(wish(tokend), token))
            .await
            .map(drop),
        connectors
            .complete_app_user_connection(for_user(complete, token))
            .await
            .map(drop),
        connectors
            .disconnect_app_user(for_user(disconnect, token))
            .await
            .map(drop),
        connectors
            .list_app_user_connections(for_user(list, token))
            .await
            .map(drop),
    ]
}

async fn key_set(tokend: &Tokend) -> Value {
    let url = format!("{}/jwks.json", tokend.simulator.app_issuer());
    let answer = crate::visitor::get(&url, "").await;
    serde_json::from_str(&answer.body).unwrap()
}

/// The same claims, signed with what everybody knows: the public key (RFC 8725 section 2.1).
fn hs256(token: &str, keys: &Value) -> String {
    let claims = token.split('.').nth(1).unwrap();
    let key = &keys["keys"][0];
    let header = json!({ "alg": "HS256", "typ": "JWT", "kid": key["kid"] });
    let input = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header.to_string()));
    let public = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &public),
        input.as_bytes(),
    );
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn without_signature(token: &str) -> String {
    let (signed, _) = token.rsplit_once('.').unwrap();
    format!("{signed}.")
}

/// The header and signature of one token around the claims of another.
fn with_claims_of(token: &str, other: &str) -> String {
    let mut parts: Vec<_> = token.split('.').collect();
    parts[1] = other.split('.').nth(1).unwrap();
    parts.join(".")
}
