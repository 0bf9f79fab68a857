//! A refresh in its two stages: the answer is taken in whole before anybody reads it, and can be read again later.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::StreamExt;
use tokend_model::ports::Clock;
use tokend_model::{
    Expiry, IntegrationTypeName, RawTokenAnswer, Timestamp, TokenFailureKind as Kind,
};
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::fake::{Bench, Fake, Outcome, now, options, token};

fn response(status: u16, content_type: Option<&str>, body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(status);
    if let Some(content_type) = content_type {
        response = response.header("content-type", content_type);
    }
    response.body(body.into()).unwrap_or_default()
}

fn recorded(status: u16, body: &str) -> RawTokenAnswer {
    RawTokenAnswer {
        status,
        content_type: None,
        body: Zeroizing::new(body.as_bytes().to_vec()),
        receive_time: now(),
    }
}

#[tokio::test]
async fn whatever_may_matter_comes_back_as_it_came() -> Outcome {
    let json = Some("application/json");
    let access = format!("\u{feff} {{\"access_token\":\"{}\"}}\r\n", token());
    for (status, content_type, body) in [
        (200, json, access.into_bytes()),
        (200, Some("text/html; charset=utf-8"), b"<html>".to_vec()),
        (200, json, br#"{"error":"invalid_grant"}"#.to_vec()),
        (200, None, vec![0xff, 0x00, 0xfe]),
        (204, None, Vec::new()),
        (400, json, br#"{"error":"invalid_grant"}"#.to_vec()),
        (401, Some("x"), Vec::new()),
        (404, Some("text/plain"), b"gone".to_vec()),
    ] {
        let sent = body.clone();
        let fake = Fake::start(move |_| response(status, content_type, sent.clone())).await?;
        let raw = Bench::generic(&fake.origin, &options())?.redeem().await?;
        assert_eq!(raw.status, status);
        assert_eq!(raw.content_type.as_deref(), content_type, "{status}");
        assert_eq!(*raw.body, body, "{status}");
        assert_eq!(raw.receive_time, now());
        assert_eq!(raw.may_hold_tokens(), status < 300);
        fake.only()?;
    }
    Ok(())
}

#[tokio::test]
async fn a_status_that_says_enough_is_a_failure_at_once() -> Outcome {
    for (status, kind) in [
        (302, Kind::RequestRejected),
        (308, Kind::RequestRejected),
        (408, Kind::Ambiguous),
        (409, Kind::Ambiguous),
        (429, Kind::RateLimited),
        (500, Kind::Ambiguous),
        (502, Kind::Ambiguous),
        (503, Kind::Ambiguous),
        (504, Kind::Ambiguous),
    ] {
        let body = r#"{"error":"invalid_grant","access_token":"t"}"#;
        let fake = Fake::start(move |_| response(status, None, body)).await?;
        let bench = Bench::generic(&fake.origin, &options())?;
        let failed = bench.redeem().await.err().map(|failure| failure.kind);
        assert_eq!(failed, Some(kind), "{status}");
        fake.only()?;
        // Should one have been recorded nevertheless, it reads the same.
        let read = bench.read(&recorded(status, body)).await.err();
        assert_eq!(read.map(|failure| failure.kind), Some(kind), "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn a_recorded_answer_reads_the_same_each_time_and_calls_nobody() -> Outcome {
    let (access, next) = (token(), token());
    let body = format!(
        r#"{{"access_token":"{access}","refresh_token":"{next}","expires_in":60,"refresh_expires_in":90}}"#
    );
    let fake = Fake::start(move |_| response(200, None, body.clone())).await?;
    let mut bench = Bench::generic(&fake.origin, &options())?;
    let raw = bench.redeem().await?;
    let answer = bench.read(&raw).await?;
    assert_eq!(answer.access_token.expose(), access);
    assert_eq!(
        answer.refresh_token.as_ref().map(|t| t.expose()),
        Some(next.as_str())
    );
    assert_eq!(
        answer.expiry,
        Expiry::At(now() + chrono::Duration::seconds(60))
    );
    let refresh_end = now() + chrono::Duration::seconds(90);
    assert_eq!(answer.refresh_expire_time, Some(refresh_end));

    // Whatever was changed since, the answer is still there.
    bench.connector.connection_config.clear();
    bench.connector.client_secret = None;
    assert_eq!(bench.read(&raw).await?, answer);
    // A time counts from the answer's arrival, not from its reading.
    let later = RawTokenAnswer {
        receive_time: now() + chrono::Duration::seconds(7),
        ..raw.clone()
    };
    let expiry = bench.read(&later).await?.expiry;
    assert_eq!(expiry, Expiry::At(now() + chrono::Duration::seconds(67)));

    // "Not sent" would say that nothing was spent.
    bench.connector.integration_type = IntegrationTypeName::new("gone")?;
    let unread = bench.read(&raw).await.err();
    assert_eq!(unread.map(|failure| failure.kind), Some(Kind::Garbage));
    fake.only()?;
    Ok(())
}

/// A clock that is moved by hand, and tells when it was looked at.
#[derive(Default)]
struct HandClock {
    seconds: AtomicI64,
    looked_at: Notify,
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        self.looked_at.notify_one();
        now() + chrono::Duration::seconds(self.seconds.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn an_answer_has_arrived_when_its_last_byte_has() -> Outcome {
    let clock = Arc::new(HandClock::default());
    let hand = clock.clone();
    let fake = Fake::start(move |_| {
        let hand = hand.clone();
        let first = futures::stream::iter([Ok(Bytes::from_static(b"{\"access_token\":"))]);
        let rest = futures::stream::once(async move {
            // Time passes once the head is there; a client that does not look at the clock then goes on all the same.
            let _ = tokio::time::timeout(Duration::from_secs(5), hand.looked_at.notified()).await;
            hand.seconds.store(9, Ordering::SeqCst);
            Ok::<_, Infallible>(Bytes::from_static(b"\"t\",\"expires_in\":60}"))
        });
        response(200, None, Body::from_stream(first.chain(rest)))
    })
    .await?;
    let bench = Bench::timed(&fake.origin, clock)?;
    let raw = bench.redeem().await?;
    assert_eq!(raw.receive_time, now() + chrono::Duration::seconds(9));
    let expiry = bench.read(&raw).await?.expiry;
    assert_eq!(expiry, Expiry::At(now() + chrono::Duration::seconds(69)));
    Ok(())
}
