//! App users' tokens are good for the calling service that they were made for (threat T-09).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokend_access::{AppUserVerifier, IssuerOptions, KeySetOptions, TokenRejection};
use tokend_model::WorkspaceName;

use crate::{
    issuer::{Issuer, Verifier},
    signing_key::SigningKey,
};

fn for_audience(issuer: &Issuer, audience: Value) -> Value {
    let mut claims = issuer.claims();
    claims["aud"] = audience;
    claims
}

#[tokio::test]
async fn an_audience_may_be_the_callers_name() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let workspace = WorkspaceName::default_workspace();
    let verifier = Verifier::new(vec![IssuerOptions {
        audiences: vec!["{caller}".to_owned(), "api://{caller}/users".to_owned()],
        ..issuer.options()
    }]);
    for audience in [
        json!("shop"),
        json!("api://shop/users"),
        json!(["x", "shop"]),
    ] {
        let token = key.sign(&for_audience(&issuer, audience));
        let user = verifier.verify_for(&workspace, "shop", &token).await;
        assert_eq!(user.unwrap().id.as_str(), "jane");
        // Remembered for the shop; the others still have it verified.
        for other in ["billing", "sho", "shop2", "SHOP", ""] {
            let answer = verifier.verify_for(&workspace, other, &token).await;
            assert_eq!(answer, Err(TokenRejection::WrongAudience), "{other:?}");
        }
        assert!(
            verifier
                .verify_for(&workspace, "shop", &token)
                .await
                .is_ok()
        );
    }
    let literal = key.sign(&for_audience(&issuer, json!("{caller}")));
    let answer = verifier.verify_for(&workspace, "shop", &literal).await;
    assert_eq!(answer, Err(TokenRejection::WrongAudience));
}

#[tokio::test]
async fn callers_that_are_listed_have_their_own_audiences_and_others_none() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let workspace = WorkspaceName::default_workspace();
    let list = |audience: &str| vec![audience.to_owned()];
    let verifier = Verifier::new(vec![IssuerOptions {
        audiences: list("everybody"),
        caller_audiences: BTreeMap::from([
            ("spiffe://acme.test/shop".to_owned(), list("shop")),
            ("billing".to_owned(), list("billing")),
        ]),
        ..issuer.options()
    }]);
    let (shop, everybody) = (
        key.sign(&for_audience(&issuer, json!("shop"))),
        key.sign(&for_audience(&issuer, json!(["everybody", "billing"]))),
    );
    for (caller, token, accepted) in [
        ("spiffe://acme.test/shop", &shop, Ok(())),
        ("billing", &everybody, Ok(())),
        ("billing", &shop, Err(TokenRejection::WrongAudience)),
        (
            "spiffe://acme.test/shop",
            &everybody,
            Err(TokenRejection::WrongAudience),
        ),
        ("shop", &shop, Err(TokenRejection::IssuerNotForCaller)),
        ("other", &everybody, Err(TokenRejection::IssuerNotForCaller)),
    ] {
        let answer = verifier.verify_for(&workspace, caller, token).await;
        assert_eq!(answer.map(drop), accepted, "{caller}");
    }
}

#[tokio::test]
async fn a_listed_caller_without_an_audience_is_refused_at_the_start() {
    let issuer = Issuer::start(&[]).await;
    for audiences in [vec![], vec![String::new()]] {
        let options = IssuerOptions {
            caller_audiences: BTreeMap::from([("shop".to_owned(), audiences)]),
            ..issuer.options()
        };
        let clock = Verifier::new(vec![]).clock;
        let verifier = AppUserVerifier::new(vec![options], clock, KeySetOptions::default());
        assert!(verifier.is_err());
    }
}
