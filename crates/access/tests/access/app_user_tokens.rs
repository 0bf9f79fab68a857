//! Which tokens are accepted and which refused (threat T-10).

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tokend_access::{IssuerOptions, TokenRejection};
use tokend_model::WorkspaceName;

use crate::{
    clock::StandingClock,
    issuer::{AUDIENCE, Answer, Issuer, Verifier},
    signing_key::{SigningKey, unsigned},
};

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[tokio::test]
async fn good_tokens_of_all_default_algorithms_are_accepted() {
    let keys = [
        SigningKey::es256("ec"),
        SigningKey::ed25519("ed"),
        SigningKey::rsa("rs", Algorithm::RS256),
        SigningKey::rsa("ps", Algorithm::PS256),
    ];
    let issuer = Issuer::start(&keys.each_ref()).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    for key in &keys {
        let user = verifier.verify(&key.sign(&issuer.claims())).await.unwrap();
        assert_eq!(user.id.as_str(), "jane");
        assert_eq!(user.issuer, issuer.url());
        assert_eq!(
            user.expire_time.timestamp(),
            issuer.claims()["exp"].as_i64().unwrap()
        );
    }
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn claims_are_required_and_of_their_types() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    let claims = issuer.claims();
    let now = verifier.clock.seconds();

    let missing = |name: &str| TokenRejection::ClaimMissing(name.to_owned());
    for name in ["iss", "aud", "exp", "iat", "sub"] {
        let token = key.sign(&without(claims.clone(), name));
        assert_eq!(verifier.verify(&token).await, Err(missing(name)));
    }

    let malformed = |name: &str| TokenRejection::ClaimMalformed(name.to_owned());
    let exp = (now + 3600).to_string();
    for (name, value, rejection) in [
        ("exp", json!(exp), malformed("exp")),
        ("exp", json!(null), malformed("exp")),
        ("exp", json!(-1), malformed("exp")),
        ("exp", json!(1e300), malformed("exp")),
        ("exp", json!([now + 3600]), malformed("exp")),
        ("exp", json!(now - 10), TokenRejection::Expired),
        ("exp", json!(0), TokenRejection::Expired),
        ("iat", json!(now.to_string()), malformed("iat")),
        ("iat", json!(now + 60), TokenRejection::NotYetValid),
        ("nbf", json!({}), malformed("nbf")),
        ("nbf", json!(now + 60), TokenRejection::NotYetValid),
        ("aud", json!("other"), TokenRejection::WrongAudience),
        ("aud", json!([]), TokenRejection::WrongAudience),
        ("aud", json!(["other"]), TokenRejection::WrongAudience),
        ("aud", json!([AUDIENCE, 7]), malformed("aud")),
        ("aud", json!({ AUDIENCE: true }), malformed("aud")),
        ("iss", json!([issuer.url()]), malformed("iss")),
        (
            "iss",
            json!("https://evil.test"),
            TokenRejection::UnknownIssuer,
        ),
        (
            "iss",
            json!(format!("{}/", issuer.url())),
            TokenRejection::UnknownIssuer,
        ),
        ("sub", json!(7), malformed("sub")),
        ("sub", json!(""), malformed("sub")),
    ] {
        let token = key.sign(&with(claims.clone(), name, value.clone()));
        assert_eq!(
            verifier.verify(&token).await,
            Err(rejection),
            "{name} {value}"
        );
    }
    for sub in ["jane\nadmin".to_owned(), "j".repeat(256)] {
        let token = key.sign(&with(claims.clone(), "sub", json!(sub)));
        let rejection = verifier.verify(&token).await.unwrap_err();
        assert!(matches!(rejection, TokenRejection::UserIdInvalid(_)));
    }

    for (name, value) in [
        ("aud", json!(["other", AUDIENCE])),
        ("exp", json!(now - 9)),
        ("exp", json!(now as f64 + 60.5)),
        ("iat", json!(now + 10)),
        ("nbf", json!(now + 10)),
    ] {
        let token = key.sign(&with(claims.clone(), name, value.clone()));
        assert!(verifier.verify(&token).await.is_ok(), "{name} {value}");
    }
}

#[tokio::test]
async fn names_that_occur_twice_are_refused() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    let claims = issuer.claims().to_string();
    let header = json!({ "alg": "ES256", "kid": "k1" }).to_string();
    assert!(
        verifier
            .verify(&key.sign_text(&header, &claims))
            .await
            .is_ok()
    );

    let twice = |object: &str, entry: &str| format!("{},{entry}}}", &object[..object.len() - 1]);
    for token in [
        key.sign_text(&header, &twice(&claims, r#""sub":"root""#)),
        key.sign_text(&header, &twice(&claims, r#""admin":1,"admin":2"#)),
        key.sign_text(&twice(&header, r#""alg":"ES256""#), &claims),
        key.sign_text(&twice(&header, r#""kid":"k1""#), &claims),
    ] {
        assert_eq!(
            verifier.verify(&token).await,
            Err(TokenRejection::Malformed)
        );
    }
}

#[tokio::test]
async fn headers_cannot_choose_the_key_or_the_algorithm() {
    let key = SigningKey::es256("k1");
    let rsa = SigningKey::rsa("r1", Algorithm::RS256);
    let foreign = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key, &rsa]).await;
    let elsewhere = Issuer::start(&[&foreign]).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    let claims = issuer.claims().to_string();
    let foreign_with = |header: Value| foreign.sign_text(&header.to_string(), &claims);
    let jku = format!("{}/jwks.json", elsewhere.url());
    let good = key.sign(&issuer.claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let none = unsigned(&json!({ "alg": "none" }).to_string(), &claims);
    let other_claims = with(issuer.claims(), "sub", json!("root")).to_string();
    let header = json!({ "alg": "ES256", "kid": "k1", "typ": "JWT" }).to_string();

    use TokenRejection::{
        AlgorithmNotAllowed, BadSignature, Malformed, UnknownCritical, UnknownKey, WrongType,
    };
    for (token, rejection) in [
        (foreign.sign(&issuer.claims()), BadSignature),
        (
            foreign_with(json!({ "alg": "ES256", "kid": "k1", "jku": jku })),
            BadSignature,
        ),
        (
            foreign_with(json!({ "alg": "ES256", "kid": "k1", "x5u": jku })),
            BadSignature,
        ),
        (
            foreign_with(json!({ "alg": "ES256", "kid": "k1", "jwk": foreign.jwk() })),
            BadSignature,
        ),
        (
            foreign_with(json!({ "alg": "ES256", "kid": "../../etc/passwd" })),
            UnknownKey,
        ),
        (
            foreign_with(json!({ "alg": "ES256", "kid": "" })),
            UnknownKey,
        ),
        (foreign_with(json!({ "alg": "ES256", "kid": 1 })), Malformed),
        // The key of another type: the id fits, the algorithm does not.
        (
            foreign_with(json!({ "alg": "ES256", "kid": "r1" })),
            UnknownKey,
        ),
        (
            foreign_with(json!({ "alg": "ES384", "kid": "k1" })),
            AlgorithmNotAllowed,
        ),
        (
            key.sign_text(
                &json!({ "alg": "ES256", "kid": "k1", "crit": ["b64"], "b64": false }).to_string(),
                &claims,
            ),
            UnknownCritical,
        ),
        (
            key.sign_text(
                &json!({ "alg": "ES256", "kid": "k1", "crit": [] }).to_string(),
                &claims,
            ),
            UnknownCritical,
        ),
        (
            key.sign_text(
                &json!({ "alg": "ES256", "kid": "k1", "typ": "logout+jwt" }).to_string(),
                &claims,
            ),
            WrongType,
        ),
        (
            key.sign_text(&json!({ "kid": "k1" }).to_string(), &claims),
            Malformed,
        ),
        (format!("{none}."), Malformed),
        (format!("{none}.{signature}"), Malformed),
        (
            format!(
                "{}.",
                unsigned(&json!({ "alg": "NONE" }).to_string(), &claims)
            ),
            Malformed,
        ),
        (format!("{signed}."), BadSignature),
        (
            format!("{}.{signature}", unsigned(&header, &other_claims)),
            BadSignature,
        ),
        (format!("{good}="), BadSignature),
        (format!("{good}.{signature}"), Malformed),
        (signed.to_owned(), Malformed),
        ("..".to_owned(), Malformed),
        ("tokend".to_owned(), Malformed),
        (format!("Bearer {good}"), Malformed),
        (String::new(), TokenRejection::Missing),
        ("x".repeat(1 << 20), TokenRejection::TooLong),
        (
            key.sign(&with(issuer.claims(), "pad", json!("x".repeat(1 << 20)))),
            TokenRejection::TooLong,
        ),
    ] {
        let shown = &token[..token.len().min(200)];
        assert_eq!(verifier.verify(&token).await, Err(rejection), "{shown}");
    }
    assert_eq!(elsewhere.fetches(), 0);
    assert!(verifier.verify(&good).await.is_ok());
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let ec = SigningKey::es256("ec");
    let rsa = SigningKey::rsa("rs", Algorithm::RS256);
    let issuer = Issuer::start(&[&ec, &rsa]).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    for key in [&ec, &rsa] {
        let jwk = key.jwk();
        for secret in [jwk.to_string(), jwk["x"].to_string(), jwk["n"].to_string()] {
            for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                let secret = EncodingKey::from_secret(secret.as_bytes());
                let forger = SigningKey::new(&key.kid, algorithm, secret);
                assert_eq!(
                    verifier.verify(&forger.sign(&issuer.claims())).await,
                    Err(TokenRejection::AlgorithmNotAllowed)
                );
            }
        }
    }
}

#[tokio::test]
async fn keys_that_are_not_fit_for_signatures_are_left_out() {
    let good = SigningKey::es256("good");
    let issuer = Issuer::start(&[&good]).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    let encryption = SigningKey::es256("enc");
    let mut encryption_jwk = encryption.jwk();
    encryption_jwk["use"] = json!("enc");
    let short = SigningKey::short_rsa("short");
    issuer.answer(Answer::Keys(vec![
        json!({ "kty": "oct", "kid": "oct", "k": "c2VjcmV0" }),
        json!({ "kty": "EC", "crv": "P-256", "kid": 7, "x": "AA", "y": "AA" }),
        json!({ "kty": "EC", "crv": "secp256k1", "kid": "k", "x": "AA", "y": "AA" }),
        json!({ "kty": "AKP", "kid": "new" }),
        json!("key"),
        encryption_jwk,
        short.jwk(),
        good.jwk(),
    ]));
    for key in [&encryption, &short] {
        assert_eq!(
            verifier.verify(&key.sign(&issuer.claims())).await,
            Err(TokenRejection::UnknownKey)
        );
    }
    assert!(verifier.verify(&good.sign(&issuer.claims())).await.is_ok());
}

#[tokio::test]
async fn a_token_without_a_key_id_is_taken_only_where_one_key_fits() {
    let (one, other) = (SigningKey::es256("k1"), SigningKey::es256("k2"));
    let token = |issuer: &Issuer| {
        let header = json!({ "alg": "ES256" }).to_string();
        one.sign_text(&header, &issuer.claims().to_string())
    };
    let issuer = Issuer::start(&[&one]).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    assert!(verifier.verify(&token(&issuer)).await.is_ok());

    let issuer = Issuer::start(&[&one, &other]).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    assert_eq!(
        verifier.verify(&token(&issuer)).await,
        Err(TokenRejection::UnknownKey)
    );
}

#[tokio::test]
async fn a_workspace_trusts_its_own_issuers_only() {
    let (key, foreign_key) = (SigningKey::es256("k1"), SigningKey::es256("k1"));
    let (issuer, foreign) = (
        Issuer::start(&[&key]).await,
        Issuer::start(&[&foreign_key]).await,
    );
    let other = WorkspaceName::new("other").unwrap();
    let verifier = Verifier::new(vec![
        issuer.options(),
        IssuerOptions {
            workspace: other.clone(),
            ..foreign.options()
        },
    ]);
    let token = key.sign(&issuer.claims());
    assert!(verifier.verify(&token).await.is_ok());
    assert_eq!(
        verifier.verify_in(&other, &token).await,
        Err(TokenRejection::UnknownIssuer)
    );
    // Another trusted issuer cannot speak for this one.
    let forged = foreign_key.sign(&issuer.claims());
    assert_eq!(
        verifier.verify(&forged).await,
        Err(TokenRejection::BadSignature)
    );
}

#[tokio::test]
async fn a_token_that_was_issued_too_long_ago_is_refused_however_late_it_expires() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let options = |max_token_age| IssuerOptions {
        max_token_age,
        ..issuer.options()
    };
    let day = 24 * 60 * 60;
    let issued = |age: i64| {
        let claims = with(issuer.claims(), "iat", json!(StandingClock::START - age));
        key.sign(&with(
            claims,
            "exp",
            json!(StandingClock::START + 365 * day),
        ))
    };
    let verifier = Verifier::new(vec![issuer.options()]);
    let user = verifier.verify(&issued(day + 9)).await.unwrap();
    assert_eq!(user.expire_time.timestamp(), StandingClock::START - 9);
    let refused = verifier.verify(&issued(day + 10)).await;
    assert_eq!(refused, Err(TokenRejection::TooOld));
    let unlimited = Verifier::new(vec![options(Duration::ZERO)]);
    assert!(unlimited.verify(&issued(300 * day)).await.is_ok());
}

#[tokio::test]
async fn the_user_id_can_be_another_claim_but_sub_stays_required() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = Verifier::new(vec![IssuerOptions {
        user_id_claim: "email".to_owned(),
        ..issuer.options()
    }]);
    let claims = with(issuer.claims(), "email", json!("jane@acme.test"));
    let user = verifier.verify(&key.sign(&claims)).await.unwrap();
    assert_eq!(user.id.as_str(), "jane@acme.test");
    for name in ["sub", "email"] {
        assert_eq!(
            verifier
                .verify(&key.sign(&without(claims.clone(), name)))
                .await,
            Err(TokenRejection::ClaimMissing(name.to_owned()))
        );
    }
}

#[tokio::test]
async fn no_rejection_repeats_the_token() {
    let key = SigningKey::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = Verifier::new(vec![issuer.options()]);
    let claims = with(issuer.claims(), "sub", json!("canary\n"));
    for token in [key.sign(&claims), "canary".to_owned()] {
        let rejection = verifier.verify(&token).await.unwrap_err();
        assert!(!format!("{rejection} {rejection:?}").contains("canary"));
    }
}
