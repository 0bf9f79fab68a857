//! The provider's own description of its endpoints (RFC 8414).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokend_model::ports::{AuthorizationServer, Clock, UnusableRegistration};
use tokend_model::{Secret, Timestamp, TokenFailureKind};

use crate::fake::{
    Asked, Bench, Fake, FixedClock, Outcome, REDIRECT_URI, credential, now, options, secret, token,
};

const OIDC: &str = "
    [metadata]
    url = '{issuer}/.well-known/openid-configuration'
    issuer = '{issuer}'
    [authorize]
    url = '{authorization_endpoint}'
    [device]
    url = '{device_authorization_endpoint}'
    [token]
    url = '{token_endpoint}'
    [revoke]
    url = '{revocation_endpoint}'
    [identity]
    url = '{userinfo_endpoint}'
    id = ['/sub']
    [[connection_config]]
    name = 'issuer'
    display_name = ''
    description = ''
    pattern = '.*'
    pattern_error = ''
    operator_only = true
";

const PATH: &str = "/tenant/.well-known/openid-configuration";

fn origin(asked: &Asked) -> String {
    format!("http://{}", asked.header("host"))
}

fn all(asked: &Asked) -> Response {
    let origin = origin(asked);
    Json(json!({
        "issuer": format!("{origin}/tenant"),
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "revocation_endpoint": format!("{origin}/revoke"),
        "userinfo_endpoint": format!("{origin}/me"),
        "device_authorization_endpoint": format!("{origin}/device"),
        "more": [1],
    }))
    .into_response()
}

fn bench(fake: &Fake, clock: Arc<dyn Clock>) -> Result<Bench, Box<dyn std::error::Error>> {
    let mut bench = Bench::defined_with(&fake.origin, OIDC, &options(), clock)?;
    let issuer = format!("{}/tenant", fake.origin);
    bench
        .connector
        .connection_config
        .insert("issuer".to_owned(), issuer);
    Ok(bench)
}

fn documents(fake: &Fake) -> usize {
    let asked = fake.asked();
    asked
        .iter()
        .filter(|asked| asked.uri.path() == PATH)
        .count()
}

#[tokio::test]
async fn endpoints_are_read_once_and_used_for_every_call() -> Outcome {
    let fake = Fake::start(|asked| match asked.uri.path() {
        PATH => all(asked),
        "/token" => Json(json!({"access_token": "t"})).into_response(),
        "/me" => Json(json!({"sub": "7"})).into_response(),
        "/revoke" => ().into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    })
    .await?;
    let bench = bench(&fake, Arc::new(FixedClock))?;
    let registration = bench.registration();
    let made = bench
        .client
        .authorize_url(registration, &[], REDIRECT_URI)
        .await?;
    assert!(
        made.url
            .expose()
            .starts_with(&format!("{}/authorize?", fake.origin))
    );
    let endpoint = bench.client.token_endpoint(registration).await?;
    assert_eq!(endpoint, format!("{}/token", fake.origin));
    bench.refresh(&secret(), &[]).await?;
    assert!(bench.client.revoke(registration, &credential(None)).await?);
    let identified = bench
        .client
        .identify(registration, &Secret::new(token()))
        .await?;
    assert_eq!(identified.account.id.as_deref(), Some("7"));
    assert_eq!(documents(&fake), 1);
    assert_eq!(fake.asked().len(), 4);
    Ok(())
}

#[tokio::test]
async fn those_who_come_together_share_one_request() -> Outcome {
    let fake = Fake::start(all).await?;
    let bench = bench(&fake, Arc::new(FixedClock))?;
    let calls = (0..20).map(|_| bench.client.token_endpoint(bench.registration()));
    for endpoint in futures::future::join_all(calls).await {
        assert_eq!(endpoint?, format!("{}/token", fake.origin));
    }
    assert_eq!(documents(&fake), 1);
    Ok(())
}

#[tokio::test]
async fn an_endpoint_that_is_not_named_is_a_call_that_is_not_there() -> Outcome {
    let fake = Fake::start(|asked| {
        let origin = origin(asked);
        let few = json!({"issuer": format!("{origin}/tenant"), "token_endpoint": format!("{origin}/token")});
        Json(few).into_response()
    })
    .await?;
    let bench = bench(&fake, Arc::new(FixedClock))?;
    let registration = bench.registration();
    assert!(!bench.client.revoke(registration, &credential(None)).await?);
    let identified = bench.client.identify(registration, &secret()).await?;
    assert_eq!(identified.account.id, None);
    let made = bench
        .client
        .authorize_url(registration, &[], REDIRECT_URI)
        .await;
    assert!(
        matches!(&made, Err(UnusableRegistration::Invalid(invalid)) if invalid.0.contains("authorization_endpoint")),
        "{made:?}"
    );
    let device = bench
        .client
        .request_device_code(registration, &[])
        .await
        .err();
    assert_eq!(
        device.map(|failure| failure.kind),
        Some(TokenFailureKind::NotSent)
    );
    assert_eq!(fake.asked().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_document_in_another_s_name_is_not_believed() -> Outcome {
    for issuer in [
        json!("https://evil.test"),
        json!("ORIGIN/other"),
        json!("ORIGIN"),
        json!(7),
        json!(null),
    ] {
        let fake = Fake::start(move |asked: &Asked| {
            let origin = origin(asked);
            let issuer = issuer.to_string().replace("ORIGIN", &origin);
            let text = format!(r#"{{"issuer":{issuer},"token_endpoint":"{origin}/token"}}"#);
            text.into_response()
        })
        .await?;
        let bench = bench(&fake, Arc::new(FixedClock))?;
        let refreshed = bench
            .refresh(&secret(), &[])
            .await
            .err()
            .ok_or("it was believed")?;
        assert_eq!(refreshed.kind, TokenFailureKind::NotSent);
        assert!(refreshed.detail.contains("issuer"), "{refreshed}");
        assert_eq!(fake.asked().len(), 1);
    }
    Ok(())
}

/// A clock that is moved by hand.
#[derive(Default)]
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        now() + chrono::Duration::seconds(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_document_is_asked_for_again_and_kept_while_there_is_none() -> Outcome {
    let away = Arc::new(AtomicBool::new(true));
    let gone = away.clone();
    let fake = Fake::start(move |asked| match gone.load(Ordering::SeqCst) {
        true => StatusCode::BAD_GATEWAY.into_response(),
        false => all(asked),
    })
    .await?;
    let clock = Arc::new(HandClock::default());
    let bench = bench(&fake, clock.clone())?;
    let endpoint = || bench.client.token_endpoint(bench.registration());

    let unusable = endpoint().await.err().ok_or("it was there")?;
    assert!(
        matches!(unusable, UnusableRegistration::Metadata(_)),
        "{unusable:?}"
    );
    // Whatever the status would mean elsewhere: of a refresh nothing was sent.
    let refreshed = bench
        .refresh(&secret(), &[])
        .await
        .err()
        .ok_or("it was sent")?;
    assert_eq!(refreshed.kind, TokenFailureKind::NotSent);
    assert_eq!(documents(&fake), 1, "nobody asks again so soon");

    away.store(false, Ordering::SeqCst);
    clock.0.store(11, Ordering::SeqCst);
    endpoint().await?;
    clock.0.store(3600, Ordering::SeqCst);
    endpoint().await?;
    assert_eq!(documents(&fake), 2);

    away.store(true, Ordering::SeqCst);
    clock.0.store(3612, Ordering::SeqCst);
    endpoint().await?;
    assert_eq!(
        documents(&fake),
        3,
        "it was asked for, and the old one served"
    );
    endpoint().await?;
    assert_eq!(documents(&fake), 3);
    Ok(())
}
