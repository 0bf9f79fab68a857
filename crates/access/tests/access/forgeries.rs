//! No forgery opens any door: neither as an app user, nor as a caller, nor as a pod.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::{
    callers::{Callers, backends_of},
    clock::StandingClock,
    cluster::Cluster,
    forgery_set::Forger,
    issuer::{Issuer, Verifier},
    signing_key::SigningKey,
};

async fn forger() -> (Forger, Issuer) {
    let own = SigningKey::es256("k1");
    let elsewhere = Issuer::start(&[&own]).await;
    let forger = Forger {
        ec: SigningKey::es256("k1"),
        rsa: SigningKey::rsa("r1", Algorithm::RS256),
        own,
        own_set: format!("{}/jwks.json", elsewhere.url()),
    };
    (forger, elsewhere)
}

/// Tokens that are nearly forgeries, and good.
fn good_tokens(forger: &Forger, claims: &Value) -> Vec<String> {
    let now = StandingClock::START;
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        forger.ec.sign(&claims)
    };
    let header =
        json!({ "alg": "ES256", "kid": "k1", "typ": "application/AT+JWT", "jku": forger.own_set });
    vec![
        forger.ec.sign(claims),
        forger.rsa.sign(claims),
        with("nbf", json!(now + 10)),
        with("iat", json!(now + 10)),
        with("exp", json!(now - 9)),
        with("aud", json!(["another", "tokend"])),
        forger
            .ec
            .sign_text(&header.to_string(), &claims.to_string()),
    ]
}

#[tokio::test]
async fn no_forgery_is_taken_for_an_app_user() {
    let (forger, elsewhere) = forger().await;
    let issuer = Issuer::start(&[&forger.ec, &forger.rsa]).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    let mut refused = 0;
    for (name, token) in forger.tokens(&issuer.claims()) {
        assert!(verifier.verify(&token).await.is_err(), "{name}");
        refused += 1;
    }
    for token in good_tokens(&forger, &issuer.claims()) {
        assert_eq!(verifier.verify(&token).await.map(drop), Ok(()));
    }
    report("app users", refused, &elsewhere);
}

#[tokio::test]
async fn no_forgery_is_taken_for_a_caller() {
    let (forger, elsewhere) = forger().await;
    let issuer = Issuer::start(&[&forger.ec, &forger.rsa]).await;
    let callers = Callers::new(vec![backends_of(&issuer)], vec![]);
    let mut refused = 0;
    for (name, token) in forger.tokens(&issuer.claims()) {
        assert!(callers.authenticate(&token).await.is_err(), "{name}");
        refused += 1;
    }
    for token in good_tokens(&forger, &issuer.claims()) {
        assert_eq!(callers.authenticate(&token).await.map(drop), Ok(()));
    }
    report("callers", refused, &elsewhere);
}

#[tokio::test]
async fn no_forgery_is_taken_for_a_pod() {
    let (forger, elsewhere) = forger().await;
    for token_review in [false, true] {
        let cluster = Cluster::start(&[&forger.ec, &forger.rsa]).await;
        let options = cluster.options(token_review);
        let callers = Callers::new(vec![], vec![options]);
        let mut refused = 0;
        for (name, token) in forger.tokens(&cluster.claims()) {
            assert!(callers.authenticate(&token).await.is_err(), "{name}");
            refused += 1;
        }
        assert_eq!(cluster.reviews(), 0, "forgeries are not worth a review");
        for token in good_tokens(&forger, &cluster.claims()) {
            assert_eq!(callers.authenticate(&token).await.map(drop), Ok(()));
        }
        report("pods", refused, &elsewhere);
    }
}

fn report(door: &str, refused: usize, elsewhere: &Issuer) {
    println!("{door}: {refused} forged tokens, 0 accepted");
    assert!(refused >= 80, "{refused}");
    assert_eq!(elsewhere.fetches(), 0, "the forger's key set was fetched");
}
