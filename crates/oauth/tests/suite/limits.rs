//! Bounds of time, size and reach: no redirect, no flood, no hang, no door into the house.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokend_model::TokenFailureKind as Kind;
use tokend_oauth::OAuthOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::fake::{Bench, Fake, Outcome, options, secret, token};

async fn refresh(
    origin: &str,
    options: &OAuthOptions,
) -> Result<tokend_model::TokenFailure, Box<dyn std::error::Error>> {
    let bench = Bench::generic(origin, options)?;
    let refreshed = bench.refresh(&secret(), &[]).await;
    let failure = refreshed.err().ok_or("it was taken for a token")?;
    for hidden in ["http", "127.0.0.1", "/token"] {
        assert!(!failure.to_string().contains(hidden), "{failure}");
    }
    Ok(failure)
}

/// A server that writes these bytes after the request's head, then keeps the connection open or closes it.
async fn raw(answer: String, then_close: bool) -> Result<String, std::io::Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await?;
        let mut head = vec![0; 4096];
        let _ = socket.read(&mut head).await?;
        socket.write_all(answer.as_bytes()).await?;
        if !then_close {
            // Held until the other side gives up.
            while socket.read(&mut head).await? > 0 {}
        }
        Ok::<(), std::io::Error>(())
    });
    Ok(origin)
}

#[tokio::test]
async fn redirects_are_not_followed() -> Outcome {
    let elsewhere = Fake::start(|_| "".into_response()).await?;
    let target = elsewhere.origin.clone();
    let fake = Fake::start(move |_| {
        (
            StatusCode::TEMPORARY_REDIRECT,
            [(header::LOCATION, target.clone())],
        )
            .into_response()
    })
    .await?;
    assert_eq!(
        refresh(&fake.origin, &options()).await?.kind,
        Kind::RequestRejected
    );
    assert_eq!(fake.asked().len(), 1);
    assert!(elsewhere.asked().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_flood_is_cut_off_while_it_streams() -> Outcome {
    // Without an end: only a cap that works while reading comes back.
    let fake = Fake::start(|_| {
        let chunk = || Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 8192]));
        let endless = futures::stream::repeat_with(chunk);
        Response::new(Body::from_stream(endless))
    })
    .await?;
    let failure = refresh(&fake.origin, &options()).await?;
    assert_eq!(failure.kind, Kind::Garbage);
    assert!(failure.detail.contains("262144"), "{failure}");
    Ok(())
}

#[tokio::test]
async fn a_hang_ends_in_doubt() -> Outcome {
    let quick = OAuthOptions {
        timeout: Duration::from_millis(300),
        ..options()
    };
    let silent = raw(String::new(), false).await?;
    assert_eq!(refresh(&silent, &quick).await?.kind, Kind::Ambiguous);
    let halfway = raw(
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".into(),
        false,
    )
    .await?;
    assert_eq!(refresh(&halfway, &quick).await?.kind, Kind::Ambiguous);
    Ok(())
}

#[tokio::test]
async fn a_cut_answer_ends_in_doubt() -> Outcome {
    let access = token();
    let body = format!(r#"{{"access_token":"{access}"}}"#);
    for answer in [
        String::new(),
        "HTTP/1.1 200".to_owned(),
        format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{body}"),
        format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n",
            body.len()
        ),
    ] {
        let origin = raw(answer.clone(), true).await?;
        assert_eq!(
            refresh(&origin, &options()).await?.kind,
            Kind::Ambiguous,
            "{answer}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_was_never_sent_is_known() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    drop(listener);
    let refused = refresh(&format!("http://127.0.0.1:{port}"), &options()).await?;
    assert_eq!(refused.kind, Kind::NotSent);
    // TLS towards a server that does not speak it.
    let plain = raw("HTTP/1.1 400 Bad Request\r\n\r\n".into(), true).await?;
    let no_tls = refresh(&plain.replace("http://", "https://"), &options()).await?;
    assert_eq!(no_tls.kind, Kind::NotSent);
    // RFC 6761: `.invalid` names never resolve.
    let no_name = refresh("https://idp.invalid", &options()).await?;
    assert_eq!(no_name.kind, Kind::NotSent);
    Ok(())
}

#[tokio::test]
async fn the_provider_s_wish_to_wait_is_passed_on() -> Outcome {
    // The clock stands at 08:00:00.
    for (status, wait) in [
        (StatusCode::TOO_MANY_REQUESTS, "120"),
        (
            StatusCode::TOO_MANY_REQUESTS,
            "Fri, 15 Jan 2027 08:02:00 GMT",
        ),
        (StatusCode::SERVICE_UNAVAILABLE, "120"),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "Fri, 15 Jan 2027 08:02:00 GMT",
        ),
    ] {
        let fake =
            Fake::start(move |_| (status, [(header::RETRY_AFTER, wait)]).into_response()).await?;
        let failure = refresh(&fake.origin, &options()).await?;
        assert_eq!(failure.kind, Kind::RateLimited);
        assert_eq!(failure.retry_after, Some(Duration::from_secs(120)));
    }
    Ok(())
}

#[tokio::test]
async fn nothing_is_sent_into_the_house() -> Outcome {
    let fake = Fake::start(|_| "".into_response()).await?;
    let port = fake.origin.rsplit(':').next().unwrap_or_default();
    let closed = OAuthOptions::default();
    for origin in [
        fake.origin.clone(),
        format!("http://localhost:{port}"),
        format!("https://localhost:{port}"),
        format!("https://127.0.0.1:{port}"),
        format!("https://[::ffff:127.0.0.1]:{port}"),
        "https://169.254.169.254".to_owned(),
    ] {
        let bench = Bench::generic(&origin, &closed)?;
        let refreshed = bench.refresh(&secret(), &[]).await;
        let failure = refreshed.err().ok_or("it was sent")?;
        assert_eq!(failure.kind, Kind::NotSent, "{origin}");
        let detail = "the host's address is not a public one";
        assert!(
            failure.detail.starts_with(detail),
            "{origin}: {}",
            failure.detail
        );
    }
    assert!(fake.asked().is_empty());
    let bench = Bench::generic(&format!("http://localhost:{port}"), &options())?;
    let _ = bench.refresh(&secret(), &[]).await;
    assert_eq!(fake.asked().len(), 1, "loopback by name, where allowed");
    Ok(())
}
