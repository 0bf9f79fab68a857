use serde_json::{Value, json};
use tokend_simulator::{
    Behaviour, BodyFormat, Client, ClientAuth, Consent, Happening, TokenAnswer,
};

use crate::person::{Person, REDIRECT_URI, Tokens, error};

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

#[tokio::test]
async fn a_code_becomes_tokens_that_work() {
    let person = Person::new(Behaviour::default()).await;
    let back = person.authorize(&person.authorize_url("")).await;
    assert_eq!(back.status, 302);
    assert_eq!(back.query("state").as_deref(), Some("state-of-test"));
    assert_eq!(
        back.query("iss").as_deref(),
        Some(person.simulator.base_url())
    );

    let tokens = Tokens::of(
        person
            .redeem_code(&back.query("code").unwrap())
            .await
            .unwrap(),
    )
    .await;
    assert!(tokens.access.starts_with("at-sim-") && tokens.refresh.starts_with("rt-sim-"));
    assert_eq!(person.events_status(&tokens.access).await, 200);
    assert_eq!(person.events_status("at-sim-guessed").await, 401);

    let userinfo = format!("{}/userinfo", person.simulator.base_url());
    let account: Value = person
        .http
        .get(userinfo)
        .bearer_auth(&tokens.access)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(account["sub"], "user-1");

    let secrets = person.simulator.ledger().secrets_issued();
    for secret in [
        &tokens.access,
        &tokens.refresh,
        &person.verifier,
        &person.client.secret,
        "state-of-test",
    ] {
        assert!(secrets.iter().any(|known| known == secret));
    }
    let shown = person
        .http
        .get(format!("{}/ledger", person.simulator.base_url()))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(shown.contains("token_issued") && !secrets.iter().any(|secret| shown.contains(secret)));
}

#[tokio::test]
async fn a_wrong_or_missing_verifier_is_refused_and_the_code_stays_good() {
    let person = Person::new(Behaviour::default()).await;
    let code = person.code().await;
    let wrong = person.verifier.to_uppercase();
    let mut parameters = vec![
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
    ];
    assert_eq!(
        error(person.call(&parameters).await.unwrap()).await,
        invalid_grant()
    );
    parameters.push(("code_verifier", &wrong));
    assert_eq!(
        error(person.call(&parameters).await.unwrap()).await,
        invalid_grant()
    );
    assert!(person.simulator.ledger().grants().is_empty());
    Tokens::of(person.redeem_code(&code).await.unwrap()).await;
}

#[tokio::test]
async fn a_code_is_bound_to_its_redirect_uri_and_client() {
    let person = Person::new(Behaviour::default()).await;
    let code = person.code().await;
    let elsewhere = "http://127.0.0.1:9/elsewhere";
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", elsewhere),
        ("code_verifier", &person.verifier),
    ];
    assert_eq!(
        error(person.call(&parameters).await.unwrap()).await,
        invalid_grant()
    );

    let mut other = Person {
        client: Client::new("client-2"),
        ..person
    };
    other.simulator.register(other.client.clone());
    assert_eq!(
        error(other.redeem_code(&code).await.unwrap()).await,
        invalid_grant()
    );
    other.client.secret.push('x');
    assert_eq!(
        error(other.redeem_code(&code).await.unwrap()).await,
        (401, "invalid_client".to_owned())
    );
}

#[tokio::test]
async fn the_second_use_of_a_code_revokes_its_grant() {
    let person = Person::new(Behaviour::default()).await;
    let code = person.code().await;
    let tokens = Tokens::of(person.redeem_code(&code).await.unwrap()).await;
    assert_eq!(
        error(person.redeem_code(&code).await.unwrap()).await,
        invalid_grant()
    );
    let ledger = person.simulator.ledger();
    assert_eq!((ledger.reuses(), ledger.live_grants().len()), (1, 0));
    assert!(!ledger.is_access_token_live(&tokens.access));
    assert_eq!(person.events_status(&tokens.access).await, 401);
    assert_eq!(
        error(person.refresh(&tokens.refresh).await.unwrap()).await,
        invalid_grant()
    );
}

#[tokio::test]
async fn authorization_requests_are_checked() {
    let person = Person::new(Behaviour::default()).await;
    let good = person.authorize_url("");
    let error_for = async |url: String| person.authorize(&url).await.query("error");
    let invalid = Some("invalid_request".to_owned());
    assert_eq!(error_for(good.replace("S256", "plain")).await, invalid);
    assert_eq!(
        error_for(good.replace("code_challenge=", "x=")).await,
        invalid
    );
    assert_eq!(
        error_for(good.replace("type=code", "type=token"))
            .await
            .as_deref(),
        Some("unsupported_response_type")
    );

    // Never redirected: the redirect URI cannot be trusted.
    assert_eq!(
        person
            .authorize(&good.replace("client-1", "client-0"))
            .await
            .status,
        400
    );
    assert_eq!(
        person
            .authorize(&good.replace("127.0.0.1:9", "example.com"))
            .await
            .status,
        400
    );
    person
        .simulator
        .register(person.client.clone().redirect_uri(REDIRECT_URI));
    assert_eq!(
        person
            .authorize(&good.replace("/callback", "/callback/x"))
            .await
            .status,
        400
    );
    assert_eq!(person.authorize(&good).await.status, 302);

    person
        .simulator
        .change(|behaviour| behaviour.consent = Consent::Denied);
    let back = person.authorize(&good).await;
    assert_eq!(back.query("error").as_deref(), Some("access_denied"));
    assert_eq!(back.query("state").as_deref(), Some("state-of-test"));
    assert_eq!(back.query("code"), None);
}

#[tokio::test]
async fn a_json_body_with_the_secret_inside_is_understood() {
    let person = Person::new(Behaviour::default()).await;
    let body = json!({
        "grant_type": "authorization_code", "code": person.code().await, "redirect_uri": REDIRECT_URI,
        "code_verifier": person.verifier, "client_id": "client-1", "client_secret": person.client.secret,
    });
    let url = format!("{}/token", person.simulator.base_url());
    Tokens::of(person.http.post(url).json(&body).send().await.unwrap()).await;
    let seen = person
        .simulator
        .ledger()
        .events()
        .into_iter()
        .find_map(|event| match event.what {
            Happening::TokenCalled {
                client_auth, body, ..
            } => Some((client_auth, body)),
            _ => None,
        });
    assert_eq!(seen, Some((ClientAuth::ClientSecretPost, BodyFormat::Json)));
}

#[tokio::test]
async fn answers_come_in_the_dialects_of_real_providers() {
    let person = Person::new(Behaviour {
        token_answer: TokenAnswer::Form,
        access_token_lifetime: None,
        grantable_scopes: Some(vec!["calendar".to_owned(), "profile".to_owned()]),
        ..Behaviour::default()
    })
    .await;
    let form = person
        .redeem_code(&person.code().await)
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        form.contains("scope=calendar%2Cprofile") && !form.contains("expires_in"),
        "{form}"
    );
    let refused = person.redeem_code("code-sim-none").await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), refused.text().await.unwrap()),
        (200, "error=invalid_grant".to_owned())
    );

    person.simulator.change(|behaviour| {
        behaviour.token_answer = TokenAnswer::Nested;
        behaviour.grantable_scopes = Some(vec!["profile".to_owned()]);
        behaviour
            .extra_answer
            .insert("instance_url".to_owned(), "https://example.com".into());
    });
    let nested: Value = person
        .redeem_code(&person.code().await)
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(nested["authed_user"]["scope"], "profile");
    assert_eq!(
        (&nested["ok"], &nested["instance_url"]),
        (&json!(true), &json!("https://example.com"))
    );
    assert!(nested.get("access_token").is_none());
    let refreshed = person
        .refresh(nested["authed_user"]["refresh_token"].as_str().unwrap())
        .await
        .unwrap();
    assert!(!Tokens::of(refreshed).await.access.is_empty());
}
