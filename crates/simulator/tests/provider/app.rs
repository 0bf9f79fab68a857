use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, jwk::JwkSet};
use serde_json::{Value, json};
use tokend_simulator::Behaviour;

use crate::person::Person;

const HOUR: Duration = Duration::from_secs(3600);

async fn verified(person: &Person, token: &str) -> jsonwebtoken::errors::Result<Value> {
    let url = format!("{}/jwks.json", person.simulator.app_issuer());
    let keys: JwkSet = person
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["tokend"]);
    validation.set_issuer(&[person.simulator.app_issuer()]);
    let key = DecodingKey::from_jwk(&keys.keys[0])?;
    decode::<Value>(token, &key, &validation).map(|data| data.claims)
}

#[tokio::test]
async fn user_tokens_verify_against_the_key_set_and_spoilt_ones_do_not() {
    let person = Person::new(Behaviour::default()).await;
    let simulator = &person.simulator;
    let claims = verified(&person, &simulator.app_user_token("alice", "tokend", HOUR))
        .await
        .unwrap();
    assert_eq!(claims["sub"], "alice");

    let url = format!("{}/token?user=bob", simulator.app_issuer());
    let from_shell = person
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(verified(&person, &from_shell).await.unwrap()["sub"], "bob");

    let draft = || simulator.app_user_token_draft("alice", "tokend", HOUR);
    assert_eq!(
        verified(&person, &draft().claim("team", "x").sign())
            .await
            .unwrap()["team"],
        "x"
    );
    for spoilt in [
        draft().with_foreign_key().sign(),
        draft().unsigned(),
        draft().claim("iss", "https://example.com").sign(),
        draft().claim("aud", json!(["other"])).sign(),
        draft().claim("exp", 1).sign(),
        draft().without_claim("exp").sign(),
        draft().header("alg", "HS256").sign(),
    ] {
        assert!(verified(&person, &spoilt).await.is_err());
    }
}

#[tokio::test]
async fn a_return_to_the_app_can_be_waited_for() {
    let person = Person::new(Behaviour::default()).await;
    let url = format!(
        "{}?authorization_id=a-1&completion_token=ct-secret",
        person.simulator.app_return_url()
    );
    let (query, page) = tokio::join!(person.simulator.wait_for_return("a-1"), async {
        let page = person.browser().open(&url).await.unwrap();
        assert_eq!(page.status, 200);
        page
    });
    assert_eq!(query["completion_token"], "ct-secret");
    assert!(
        page.body
            .contains("\nauthorization_id=a-1\ncompletion_token=ct-secret\n"),
        "a person cannot complete by hand: {page:?}"
    );
    assert_eq!(person.simulator.returns().len(), 1);
    assert!(
        person
            .simulator
            .ledger()
            .secrets_issued()
            .contains(&"ct-secret".to_owned())
    );
}
