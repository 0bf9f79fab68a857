//! Callers by JWT of any issuer: who they are, what is remembered, and what is said to those who are refused.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::json;
use tokend_access::{
    AccessError, CallerAuthentication, CallerKind, CallerRejection, JwtCallerOptions,
    KeySetOptions, OtherWorkspaces, Presented, TokenCallers,
};
use tokend_model::{WorkspaceName, ports::CallerRole};

use crate::{
    callers::{Callers, backends_of, standing},
    clock::StandingClock,
    issuer::{Answer, Issuer},
    signing_key::SigningKey,
};

#[tokio::test]
async fn a_caller_is_the_issuer_and_its_claim() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let callers = Callers::new(vec![backends_of(&issuer)], vec![]);
    let token = key.sign(&issuer.claims());
    let caller = callers.authenticate(&token).await.unwrap();
    assert_eq!(caller.name, format!("{}#jane", issuer.url()));
    assert_eq!(caller.workspace, WorkspaceName::default_workspace());
    assert_eq!(caller.role, Some(CallerRole::Backend));
    let kind = CallerKind::Jwt {
        issuer: issuer.url().to_owned(),
    };
    assert_eq!(caller.kind, kind);
    // The next call is answered from memory, by the same caller.
    let again = callers.authenticate(&token).await.unwrap();
    assert!(Arc::ptr_eq(&caller, &again));
    // Somebody of that name would be the same.
    assert_eq!(callers.callers.named(&caller.name), Some(caller));
}

#[tokio::test]
async fn claim_prefix_workspaces_and_role_are_the_operators_choice() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let options = JwtCallerOptions {
        caller_claim: "azp".to_owned(),
        name_prefix: "login:".to_owned(),
        standing: standing(&["shop", "*"], "operator"),
        ..backends_of(&issuer)
    };
    let callers = Callers::new(vec![options], vec![]);
    let with = |azp| {
        let mut claims = issuer.claims();
        claims["azp"] = azp;
        key.sign(&claims)
    };
    let caller = callers
        .authenticate(&with(json!("checkout")))
        .await
        .unwrap();
    assert_eq!(caller.name, "login:checkout");
    assert_eq!(caller.workspace.as_str(), "shop");
    assert_eq!(caller.other_workspaces, OtherWorkspaces::All);
    assert_eq!(caller.role, Some(CallerRole::Operator));
    for azp in [
        json!(null),
        json!(""),
        json!(["checkout"]),
        json!("check\nout"),
        json!("x".repeat(256)),
    ] {
        let answer = callers.authenticate(&with(azp.clone())).await;
        assert_eq!(answer, Err(CallerRejection::TokenRefused), "{azp}");
    }
    let answer = callers.authenticate(&key.sign(&issuer.claims())).await;
    assert_eq!(answer, Err(CallerRejection::TokenRefused), "no azp");
    for nobody in ["login:", "login", "checkout", "login:a\nb"] {
        assert!(callers.callers.named(nobody).is_none(), "{nobody:?}");
    }
}

#[tokio::test]
async fn several_issuers_each_vouch_for_their_own() {
    let (key, other_key) = (SigningKey::es256("k1"), SigningKey::es256("k1"));
    let (issuer, other) = (
        Issuer::start(&[&key]).await,
        Issuer::start(&[&other_key]).await,
    );
    let callers = Callers::new(vec![backends_of(&issuer), backends_of(&other)], vec![]);
    for (key, issuer) in [(&key, &issuer), (&other_key, &other)] {
        let caller = callers.authenticate(&key.sign(&issuer.claims())).await;
        assert_eq!(caller.unwrap().name, format!("{}#jane", issuer.url()));
    }
    let forged = callers
        .authenticate(&other_key.sign(&issuer.claims()))
        .await;
    assert_eq!(forged, Err(CallerRejection::TokenRefused));
    // An issuer that is trusted for app users only is not for callers.
    let callers = Callers::new(vec![backends_of(&issuer)], vec![]);
    let answer = callers.authenticate(&other_key.sign(&other.claims())).await;
    assert_eq!(answer, Err(CallerRejection::TokenRefused));
    assert_eq!(
        other.fetches(),
        1,
        "for a token of an issuer we do not know"
    );
}

#[tokio::test]
async fn a_remembered_token_still_expires_and_is_verified_anew_after_300_seconds() {
    let (key, new) = (SigningKey::es256("k1"), SigningKey::es256("new"));
    let issuer = Issuer::start(&[&key]).await;
    let callers = Callers::new(vec![backends_of(&issuer)], vec![]);
    let mut claims = issuer.claims();
    claims["exp"] = json!(callers.clock.seconds() + 100);
    let short = key.sign(&claims);
    let long = key.sign(&issuer.claims());
    let known = callers.authenticate(&long).await.unwrap();
    assert!(callers.authenticate(&short).await.is_ok());
    callers.clock.advance(110);
    let answer = callers.authenticate(&short).await;
    assert_eq!(answer, Err(CallerRejection::TokenExpired));

    callers.clock.advance(189);
    let again = callers.authenticate(&long).await.unwrap();
    assert!(Arc::ptr_eq(&known, &again), "after 299 s it is remembered");
    callers.clock.advance(1);
    let again = callers.authenticate(&long).await.unwrap();
    assert!(!Arc::ptr_eq(&known, &again), "after 300 s it is not");

    // The issuer takes its key back: whoever asks for a new one brings the change here, and the old one stops working.
    issuer.publish(&[&new]);
    let newer = new.sign(&issuer.claims());
    assert!(callers.authenticate(&newer).await.is_ok());
    callers.clock.advance(299);
    assert!(callers.authenticate(&long).await.is_ok(), "remembered");
    callers.clock.advance(1);
    let answer = callers.authenticate(&long).await;
    assert_eq!(answer, Err(CallerRejection::TokenRefused));
}

#[tokio::test]
async fn an_outage_keeps_the_known_keys_however_old() {
    let (key, new) = (SigningKey::es256("k1"), SigningKey::es256("new"));
    let issuer = Issuer::start(&[&key]).await;
    let callers = Callers::new(vec![backends_of(&issuer)], vec![]);
    assert!(
        callers
            .authenticate(&key.sign(&issuer.claims()))
            .await
            .is_ok()
    );
    issuer.answer(Answer::Status(StatusCode::SERVICE_UNAVAILABLE));
    // Over a day, and over their age of 600 s each time.
    for _ in 0..100 {
        callers.clock.advance(900);
        let mut claims = issuer.claims();
        claims["iat"] = json!(callers.clock.seconds());
        claims["exp"] = json!(callers.clock.seconds() + 600);
        assert!(callers.authenticate(&key.sign(&claims)).await.is_ok());
        let answer = callers.authenticate(&new.sign(&claims)).await;
        assert_eq!(answer, Err(CallerRejection::Unavailable));
    }
    // It was asked all the time, at most once each.
    assert!(
        (100..=202).contains(&issuer.fetches()),
        "{}",
        issuer.fetches()
    );
    issuer.publish(&[&key, &new]);
    callers.clock.advance(11);
    let mut claims = issuer.claims();
    claims["iat"] = json!(callers.clock.seconds());
    claims["exp"] = json!(callers.clock.seconds() + 600);
    assert!(callers.authenticate(&new.sign(&claims)).await.is_ok());
}

#[tokio::test]
async fn without_keys_asking_again_helps() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    issuer.answer(Answer::Status(StatusCode::BAD_GATEWAY));
    let callers = Callers::new(vec![backends_of(&issuer)], vec![]);
    let token = key.sign(&issuer.claims());
    let answer = callers.authenticate(&token).await;
    assert_eq!(answer, Err(CallerRejection::Unavailable));
    assert!(CallerRejection::Unavailable.is_transient());
    issuer.publish(&[&key]);
    callers.clock.advance(11);
    assert!(callers.authenticate(&token).await.is_ok());
    assert!(!CallerRejection::TokenRefused.is_transient());
}

#[tokio::test]
async fn api_keys_and_tokens_are_told_by_their_form() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let callers = Callers::new(vec![backends_of(&issuer)], vec![]);
    // There are no API keys here, and nothing that looks like one is taken for a token.
    for text in ["tokend_0123456789abcdef_secret", "nonsense", ""] {
        let answer = callers.authenticate(text).await;
        assert_eq!(answer, Err(CallerRejection::Malformed), "{text}");
    }
    let without = CallerAuthentication::default();
    let authorization = format!("Bearer {}", key.sign(&issuer.claims()));
    let presented = Presented {
        authorization: Some(&authorization),
        certificate: None,
    };
    let answer = without.authenticate(presented, Default::default()).await;
    let rejection = CallerRejection::TokenRefused;
    assert_eq!(answer, Err(AccessError::CallerUnauthenticated(rejection)));
}

#[tokio::test]
async fn names_that_others_may_have_are_refused_at_the_start() {
    let issuer = Issuer::start(&[]).await;
    let good = backends_of(&issuer);
    let prefixed = |prefix: &str| JwtCallerOptions {
        name_prefix: prefix.to_owned(),
        ..good.clone()
    };
    let refused = |issuers: Vec<JwtCallerOptions>| {
        let clock = Arc::new(StandingClock::new());
        TokenCallers::new(issuers, vec![], clock, KeySetOptions::default()).is_err()
    };
    assert!(!refused(vec![good.clone(), prefixed("login:")]));
    for prefix in ["", "spiffe://acme.test/", "system:", "login-"] {
        assert!(refused(vec![prefixed(prefix)]), "{prefix}");
    }
    assert!(refused(vec![good.clone(), good.clone()]));
    assert!(refused(vec![prefixed("a:"), prefixed("a:b:")]));
    for bad in [
        JwtCallerOptions {
            audiences: vec![],
            ..good.clone()
        },
        JwtCallerOptions {
            algorithms: vec!["HS256".to_owned()],
            ..good.clone()
        },
        JwtCallerOptions {
            jwks_url: Some("http://login.acme.test/jwks".to_owned()),
            ..good.clone()
        },
        JwtCallerOptions {
            caller_claim: String::new(),
            ..good.clone()
        },
        JwtCallerOptions {
            issuer: String::new(),
            ..good.clone()
        },
    ] {
        assert!(refused(vec![bad.clone()]), "{bad:?}");
    }
}
