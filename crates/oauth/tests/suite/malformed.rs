//! The table of malformed answers: none yields a token, none replaces a refresh token, none gets out in an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokend_model::TokenFailureKind::{
    self as Kind, Ambiguous, ClientRejected, Garbage, GrantRejected, RateLimited, RequestRejected,
};
use tokend_model::ports::AuthorizationServer;

use crate::answers::{FORM, HTML, JSON, answered};
use crate::fake::{Bench, CODE, Fake, Outcome, secret, token};

/// Status, content type, body, and what it means. `CANARY` stands for what must not get out.
const TABLE: [(u16, &str, &str, Kind); 82] = [
    // No object.
    (200, JSON, "", Garbage),
    (200, JSON, " ", Garbage),
    (200, JSON, "{}", Garbage),
    (200, JSON, "[]", Garbage),
    (200, JSON, "null", Garbage),
    (200, JSON, "true", Garbage),
    (200, JSON, "7", Garbage),
    (200, JSON, r#""CANARY""#, Garbage),
    (200, JSON, r#"[{"access_token":"CANARY"}]"#, Garbage),
    (200, JSON, r#"["access_token","CANARY"]"#, Garbage),
    (204, JSON, "", Garbage),
    // No JSON.
    (200, JSON, r#"{"access_token":"CANARY""#, Garbage),
    (200, JSON, r#"{"access_token":"CANARY"}}"#, Garbage),
    (
        200,
        JSON,
        r#"{"access_token":"CANARY"}{"access_token":"CANARY"}"#,
        Garbage,
    ),
    (200, JSON, r#"{"access_token":"CANARY",}"#, Garbage),
    (200, JSON, r#"{access_token:"CANARY"}"#, Garbage),
    (200, JSON, "{'access_token':'CANARY'}", Garbage),
    (200, JSON, r#"{"access_token":"CANARY\u12"}"#, Garbage),
    (200, JSON, r#"{"access_token":"CANARY\ud800"}"#, Garbage),
    (
        200,
        JSON,
        r#"{"access_token":"CANARY","expires_in":Infinity}"#,
        Garbage,
    ),
    (
        200,
        JSON,
        r#"{"access_token":"CANARY","expires_in":1e999}"#,
        Garbage,
    ),
    (
        200,
        JSON,
        r#"{"access_token":"CANARY","expires_in":0x10}"#,
        Garbage,
    ),
    (200, JSON, r#")]}',{"access_token":"CANARY"}"#, Garbage),
    (200, JSON, r#"callback({"access_token":"CANARY"})"#, Garbage),
    (200, JSON, "access_token=CANARY", Garbage),
    (200, JSON, "access_token: CANARY", Garbage),
    // No usable token.
    (200, JSON, r#"{"access_token":""}"#, Garbage),
    (200, JSON, r#"{"access_token":" "}"#, Garbage),
    (200, JSON, r#"{"access_token":null,"x":"CANARY"}"#, Garbage),
    (200, JSON, r#"{"access_token":7,"x":"CANARY"}"#, Garbage),
    (200, JSON, r#"{"access_token":true,"x":"CANARY"}"#, Garbage),
    (200, JSON, r#"{"access_token":{"t":"CANARY"}}"#, Garbage),
    (200, JSON, r#"{"access_token":["CANARY"]}"#, Garbage),
    (
        200,
        JSON,
        r#"{"access_token":"CANARY\r\nX-Evil: 1"}"#,
        Garbage,
    ),
    (200, JSON, r#"{"access_token":"CANARY\u0000"}"#, Garbage),
    (200, JSON, r#"{"access_token":"CANARY\u007f"}"#, Garbage),
    (200, JSON, r#"{"access_token":"CANARY two"}"#, Garbage),
    (200, JSON, r#"{"access_token":"CANARY é"}"#, Garbage),
    (200, JSON, r#"{"Access_Token":"CANARY"}"#, Garbage),
    (200, JSON, r#"{"accessToken":"CANARY"}"#, Garbage),
    (200, JSON, r#"{"token":"CANARY"}"#, Garbage),
    (200, JSON, r#"{"refresh_token":"CANARY"}"#, Garbage),
    (200, JSON, r#"{"data":{"access_token":"CANARY"}}"#, Garbage),
    (
        200,
        JSON,
        r#"{"expires_in":3600,"token_type":"bearer","scope":"CANARY"}"#,
        Garbage,
    ),
    // No form.
    (200, HTML, "<html>CANARY</html>", Garbage),
    (200, HTML, "<!doctype html><title>CANARY</title>", Garbage),
    (200, HTML, "access_token=CANARY", Garbage),
    (200, FORM, "<a href=\"?access_token=CANARY\">", Garbage),
    (200, FORM, "token=CANARY", Garbage),
    (200, FORM, "access_token=", Garbage),
    (200, FORM, "access_token=CANARY two", Garbage),
    (200, FORM, "access_token=CANARY%20two", Garbage),
    (200, FORM, "access_token=CANARY%0d%0aX", Garbage),
    (200, "text/plain", "CANARY", Garbage),
    (
        200,
        "application/xml",
        "<access_token>CANARY</access_token>",
        Garbage,
    ),
    // Errors with a status of success.
    (
        200,
        JSON,
        r#"{"access_token":"CANARY","error":"invalid_grant"}"#,
        GrantRejected,
    ),
    (200, JSON, r#"{"error":"invalid_client"}"#, ClientRejected),
    (200, JSON, r#"{"error":"something_else"}"#, RequestRejected),
    (
        200,
        JSON,
        r#"{"access_token":"CANARY","error":{"code":"CANARY"}}"#,
        RequestRejected,
    ),
    (
        200,
        JSON,
        r#"{"access_token":"CANARY","error":{"message":"CANARY"}}"#,
        Garbage,
    ),
    (
        200,
        JSON,
        r#"{"access_token":"CANARY","error":["CANARY"]}"#,
        Garbage,
    ),
    (
        200,
        JSON,
        r#"{"access_token":"CANARY","error":true}"#,
        Garbage,
    ),
    (
        200,
        FORM,
        "error=invalid_grant&error_description=CANARY",
        GrantRejected,
    ),
    // Errors.
    (
        400,
        JSON,
        r#"{"error":"invalid_grant","error_description":"CANARY"}"#,
        GrantRejected,
    ),
    (401, JSON, r#"{"error":"invalid_grant"}"#, GrantRejected),
    (403, JSON, r#"{"error":"invalid_grant"}"#, GrantRejected),
    (
        400,
        JSON,
        r#"{"error":"unauthorized_client"}"#,
        ClientRejected,
    ),
    (401, HTML, "<html>CANARY", ClientRejected),
    (
        401,
        JSON,
        r#"{"error":"CANARY","access_token":"CANARY"}"#,
        ClientRejected,
    ),
    (
        400,
        JSON,
        r#"{"error":"unsupported_grant_type"}"#,
        RequestRejected,
    ),
    (400, JSON, r#"{"error":"CANARY"}"#, RequestRejected),
    (400, JSON, r#"{"access_token":"CANARY"}"#, RequestRejected),
    (404, HTML, "CANARY", RequestRejected),
    (400, JSON, r#"{"error":"server_error"}"#, Ambiguous),
    (
        400,
        JSON,
        r#"{"error":"temporarily_unavailable"}"#,
        Ambiguous,
    ),
    // What the status alone says.
    (302, HTML, "CANARY", RequestRejected),
    (409, JSON, r#"{"error":"invalid_grant"}"#, Ambiguous),
    (429, JSON, r#"{"error":"invalid_grant"}"#, RateLimited),
    (500, JSON, r#"{"error":"invalid_grant"}"#, Ambiguous),
    (500, JSON, r#"{"access_token":"CANARY"}"#, Ambiguous),
    (502, HTML, "CANARY", Ambiguous),
    (503, HTML, "CANARY", Ambiguous),
];

#[tokio::test]
async fn none_yields_a_token_or_gets_out() -> Outcome {
    let canary = token();
    for (status, content_type, body, kind) in TABLE {
        let sent = body.replace("CANARY", &canary).into_bytes();
        let failure = match answered(status, content_type, sent).await? {
            Ok(_) => return Err(format!("{status} {body}: was taken for a token").into()),
            Err(failure) => failure,
        };
        assert_eq!(failure.kind, kind, "{status} {body}");
        let told = format!("{failure} {failure:?} {failure:#?}");
        assert!(!told.contains(&canary), "{status} {body}: {told}");
        assert!(!failure.detail.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn nor_do_they_by_any_other_way_to_a_token() -> Outcome {
    let canary = token();
    let grant = "grant = 'client_credentials'\n[token]\nurl = 'ORIGIN/token'";
    let exchange = format!("{CODE}\n[exchange]\nurl = 'ORIGIN/exchange'");
    let device = format!("{CODE}\n[device]\nurl = 'ORIGIN/device'");
    let (row, hidden) = (Arc::new(AtomicUsize::new(0)), canary.clone());
    let current = row.clone();
    let fake = Fake::start(move |asked| {
        let (status, content_type, body, _) = TABLE[current.load(Ordering::SeqCst)];
        let goes_on = asked.body.contains("exchanging") && asked.uri.path() == "/token";
        let (status, content_type, body) = match goes_on {
            true => (200, JSON, r#"{"access_token":"first"}"#.to_owned()),
            false => (status, content_type, body.replace("CANARY", &hidden)),
        };
        axum::http::Response::builder()
            .status(status)
            .header("content-type", content_type)
            .body(body.into())
            .unwrap_or_default()
    })
    .await?;
    let coding = Bench::defined(&fake.origin, CODE)?;
    let obtaining = Bench::defined(&fake.origin, grant)?;
    let mut exchanging = Bench::defined(&fake.origin, &exchange)?;
    exchanging.connector.client_id = "exchanging".to_owned();
    exchanging.connector.client_secret = None;
    let polling = Bench::defined(&fake.origin, &device)?;
    for (at, (status, _, body, kind)) in TABLE.into_iter().enumerate() {
        row.store(at, Ordering::SeqCst);
        let plain = coding.redeem_code().await.err();
        let obtained = obtaining.obtain(None, &[]).await.err();
        let exchanged = exchanging.redeem_code().await.err();
        let code = secret();
        let polled = polling
            .client
            .redeem_device_code(polling.registration(), &code);
        let polled = polled.await.err();
        for (way, failure) in [
            ("code", plain),
            ("obtain", obtained),
            ("exchange", exchanged),
            ("device", polled),
        ] {
            let failure =
                failure.ok_or_else(|| format!("{way}: {status} {body}: was taken for a token"))?;
            // After a code, a refusal for now is in doubt; and there a 401 speaks of the first token.
            if way != "exchange" {
                assert_eq!(failure.kind, kind, "{way}: {status} {body}");
            }
            let told = format!("{failure} {failure:?}");
            assert!(!told.contains(&canary), "{way}: {status} {body}: {told}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn bytes_that_are_no_text_and_depths_without_end_are_garbage() -> Outcome {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(60_000), close.repeat(60_000));
    for body in [
        vec![b'{', 0xff, 0xfe, b'}'],
        vec![0; 64],
        br#"{"access_token":"a"}"#.iter().flat_map(|byte| [*byte, 0]).collect(),
        deep("[", "]").into_bytes(),
        deep(r#"{"a":"#, "}").into_bytes()[..250_000].to_vec(),
        format!(r#"{{"access_token":"a","x":{}}}"#, "[".repeat(200)).into_bytes(),
    ] {
        let failure = answered(200, JSON, body).await?.err();
        assert_eq!(failure.map(|failure| failure.kind), Some(Garbage));
    }
    Ok(())
}

#[tokio::test]
async fn no_refresh_token_is_replaced_by_what_is_none() -> Outcome {
    for refresh_token in [
        json!(""),
        json!(" "),
        json!("two words"),
        json!("line\nbreak"),
        json!("nul\u{0}"),
        json!("caf\u{e9}"),
        json!(null),
        json!(false),
        json!(true),
        json!(0),
        json!(12_345),
        json!([]),
        json!(["r"]),
        json!({}),
        json!({"token": "r"}),
    ] {
        let body = json!({"access_token": "t", "refresh_token": refresh_token});
        let answer = answered(200, JSON, body.to_string().into_bytes()).await??;
        assert_eq!(answer.refresh_token, None, "{body}: the old one stays");
    }
    Ok(())
}
