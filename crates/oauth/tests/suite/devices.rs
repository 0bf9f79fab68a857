//! Devices without a browser (RFC 8628).

use std::time::Duration;

use serde_json::{Value, json};
use tokend_model::ports::{AuthorizationServer, DeviceAnswer};
use tokend_model::{Secret, TokenFailureKind};

use crate::fake::{Bench, Fake, Outcome, scopes, secret};

const DEVICE: &str = "
    [authorize]
    url = 'ORIGIN/authorize'
    [token]
    url = 'ORIGIN/token'
    auth = 'none'
    [device]
    url = 'ORIGIN/device'
    params = { kind = 'tv' }
    grant_type = 'device'
";

fn authorization() -> Value {
    json!({
        "device_code": "d", "user_code": "ABCD-EFGH", "expires_in": 1800,
        "verification_uri": "https://idp.example.com/device",
        "verification_uri_complete": "https://idp.example.com/device?code=ABCD-EFGH",
    })
}

#[tokio::test]
async fn a_device_gets_a_code_to_show() -> Outcome {
    let fake = Fake::json(|_| (200, authorization())).await?;
    let bench = Bench::defined(&fake.origin, DEVICE)?;
    let asked_for = scopes(&["a", "b"]);
    let request = bench
        .client
        .request_device_code(bench.registration(), &asked_for);
    let given = request.await?;
    assert_eq!(given.device_code, Secret::new("d"));
    assert_eq!(given.user_code, "ABCD-EFGH");
    assert_eq!(given.verification_uri, "https://idp.example.com/device");
    assert!(
        given
            .verification_uri_complete
            .is_some_and(|uri| uri.ends_with("ABCD-EFGH"))
    );
    assert_eq!(given.time_to_live, Duration::from_secs(1800));
    assert_eq!(given.poll_interval, Duration::from_secs(5));
    let form = fake.only()?.form();
    let expected = [("client_id", "client:1"), ("kind", "tv"), ("scope", "a b")];
    assert_eq!(
        form,
        expected
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    );
    Ok(())
}

#[tokio::test]
async fn answers_that_cannot_be_shown_are_none() -> Outcome {
    for (member, value, usable) in [
        ("interval", json!(10), true),
        ("interval", json!("10"), true),
        (
            "verification_uri_complete",
            json!("javascript:alert(1)"),
            true,
        ),
        ("verification_uri", json!("javascript:alert(1)"), false),
        (
            "verification_uri",
            json!("http://idp.example.com/device"),
            false,
        ),
        ("verification_uri", Value::Null, false),
        ("user_code", json!("a\nb"), false),
        ("user_code", json!(""), false),
        ("user_code", json!("x".repeat(65)), false),
        ("device_code", json!(""), false),
        ("device_code", Value::Null, false),
        ("expires_in", json!(0), false),
        ("expires_in", Value::Null, false),
    ] {
        let mut body = authorization();
        body[member] = value.clone();
        let fake = Fake::json(move |_| (200, body.clone())).await?;
        let bench = Bench::defined(&fake.origin, DEVICE)?;
        let given = bench
            .client
            .request_device_code(bench.registration(), &[])
            .await;
        assert_eq!(given.is_ok(), usable, "{member} {value}");
        match given {
            Ok(given) if member == "interval" => {
                assert_eq!(given.poll_interval, Duration::from_secs(10));
            }
            Ok(given) => assert_eq!(given.verification_uri_complete, None),
            Err(failure) => assert_eq!(failure.kind, TokenFailureKind::Garbage),
        }
    }
    // The older name of the member.
    let mut body = authorization();
    body["verification_url"] = body["verification_uri"].take();
    let fake = Fake::json(move |_| (200, body.clone())).await?;
    let bench = Bench::defined(&fake.origin, DEVICE)?;
    let given = bench
        .client
        .request_device_code(bench.registration(), &[])
        .await?;
    assert_eq!(given.verification_uri, "https://idp.example.com/device");
    Ok(())
}

#[tokio::test]
async fn a_device_asks_until_there_is_consent_or_none() -> Outcome {
    let cases: [(u16, Value, Result<&str, TokenFailureKind>); 11] = [
        (
            400,
            json!({"error": "authorization_pending"}),
            Ok("pending"),
        ),
        (
            428,
            json!({"error": "authorization_pending"}),
            Ok("pending"),
        ),
        (
            200,
            json!({"error": "authorization_pending"}),
            Ok("pending"),
        ),
        (400, json!({"error": "slow_down"}), Ok("slower")),
        (400, json!({"error": "expired_token"}), Ok("expired")),
        (403, json!({"error": "access_denied"}), Ok("denied")),
        (
            400,
            json!({"error": "authorization_declined"}),
            Ok("denied"),
        ),
        (
            400,
            json!({"error": "invalid_grant"}),
            Err(TokenFailureKind::GrantRejected),
        ),
        (
            401,
            json!({"error": "invalid_client"}),
            Err(TokenFailureKind::ClientRejected),
        ),
        (
            500,
            json!({"error": "slow_down"}),
            Err(TokenFailureKind::Ambiguous),
        ),
        (
            200,
            json!({"access_token": "t", "refresh_token": "r"}),
            Ok("granted"),
        ),
    ];
    for (status, body, expected) in cases {
        let told = body.clone();
        let fake = Fake::json(move |_| (status, told.clone())).await?;
        let bench = Bench::defined(&fake.origin, DEVICE)?;
        let code = secret();
        let asked = bench.client.redeem_device_code(bench.registration(), &code);
        let answer = asked.await.map(|answer| match answer {
            DeviceAnswer::Pending { slow_down: false } => "pending",
            DeviceAnswer::Pending { slow_down: true } => "slower",
            DeviceAnswer::Denied => "denied",
            DeviceAnswer::Expired => "expired",
            DeviceAnswer::Granted(token) => {
                assert_eq!(token.access_token, Secret::new("t"));
                assert_eq!(token.refresh_token, Some(Secret::new("r")));
                "granted"
            }
        });
        assert_eq!(
            answer.map_err(|failure| failure.kind),
            expected,
            "{status} {body}"
        );
        let form = fake.only()?.form();
        assert_eq!(form["grant_type"], "device");
        assert_eq!(form["device_code"], code.expose());
        assert_eq!(form["client_id"], "client:1");
    }
    Ok(())
}

#[tokio::test]
async fn types_that_know_no_devices_say_so() -> Outcome {
    let bench = Bench::defined("https://idp.example.com", crate::fake::CODE)?;
    let failed = bench
        .client
        .request_device_code(bench.registration(), &[])
        .await
        .err();
    assert_eq!(
        failed.map(|failure| failure.kind),
        Some(TokenFailureKind::NotSent)
    );
    Ok(())
}
