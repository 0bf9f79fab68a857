//! When a call is repeated, how long that goes on, and what is said at the end.

use std::time::{Duration, Instant};

use tokend_client::{Client, Code, ErrorReason};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::server::{ScriptedServer, Turn, info};

fn unavailable() -> Turn {
    Turn::Fail(Status::unavailable("not now"))
}

fn unavailable_for(delay: Duration) -> Turn {
    let mut details = ErrorDetails::with_retry_info(Some(delay));
    details.set_error_info(
        "REFRESH_IN_PROGRESS",
        "tokend",
        info("connectionId", "conn_1"),
    );
    Turn::Fail(Status::with_error_details(
        Code::Unavailable,
        "not now",
        details,
    ))
}

#[tokio::test]
async fn unavailable_is_repeated_no_sooner_than_told() {
    let delay = Duration::from_millis(120);
    let turns = [
        unavailable_for(delay),
        unavailable(),
        unavailable_for(delay),
    ];
    let server = ScriptedServer::start(turns).await;
    let start = Instant::now();
    server.client().await.get_connection("slack").await.unwrap();
    assert!(start.elapsed() >= 2 * delay);
    assert_eq!(server.calls(), 4);
}

#[tokio::test]
async fn other_failures_are_not_repeated() {
    for code in [
        Code::ResourceExhausted,
        Code::Internal,
        Code::Unauthenticated,
        Code::FailedPrecondition,
    ] {
        let server = ScriptedServer::start([Turn::Fail(Status::new(code, "no"))]).await;
        let error = server
            .client()
            .await
            .get_connection("slack")
            .await
            .unwrap_err();
        assert_eq!((error.code, server.calls()), (code, 1));
    }
}

#[tokio::test]
async fn a_call_that_works_once_is_repeated_only_when_told() {
    let server = ScriptedServer::start([unavailable()]).await;
    let client = server.client().await;
    let complete = || client.complete_app_user_connection("authz_1", "once", "jwt");
    assert_eq!(complete().await.unwrap_err().code, Code::Unavailable);
    assert_eq!(server.calls(), 1);

    let server = ScriptedServer::start([unavailable_for(Duration::from_millis(1))]).await;
    let client = server.client().await;
    client
        .complete_app_user_connection("authz_1", "once", "jwt")
        .await
        .unwrap();
    assert_eq!(server.calls(), 2);
}

#[tokio::test]
async fn a_delay_beyond_the_deadline_is_not_waited_for() {
    let server = ScriptedServer::start([unavailable_for(Duration::from_secs(3600))]).await;
    let start = Instant::now();
    let error = server
        .client()
        .await
        .get_connection("slack")
        .await
        .unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(error.code, Code::Unavailable);
    assert_eq!(error.reason, Some(ErrorReason::RefreshInProgress));
    assert_eq!(error.retry_delay, Some(Duration::from_secs(3600)));
    assert_eq!(error.metadata["connectionId"], "conn_1");
}

#[tokio::test]
async fn retries_end_with_the_deadline() {
    let server = ScriptedServer::start(std::iter::repeat_with(unavailable).take(1000)).await;
    let client = server
        .client()
        .await
        .with_timeout(Duration::from_millis(400));
    let start = Instant::now();
    let error = client.get_connection("slack").await.unwrap_err();
    assert_eq!(error.code, Code::Unavailable);
    assert!(start.elapsed() < Duration::from_millis(400) + Duration::from_secs(2));
    assert!(
        (2..20).contains(&server.calls()),
        "{} calls",
        server.calls()
    );
}

#[tokio::test]
async fn a_silent_server_is_deadline_exceeded() {
    let server = ScriptedServer::start([Turn::Hang]).await;
    let client = server
        .client()
        .await
        .with_timeout(Duration::from_millis(100));
    let error = client.get_connection("slack").await.unwrap_err();
    assert_eq!((error.code, server.calls()), (Code::DeadlineExceeded, 1));
    // The server knows how long the answer is of use.
    assert!(server.metadata("grpc-timeout").is_some());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let connected = Client::builder(&endpoint).connect().await;
    assert_eq!(connected.unwrap_err().code, Code::Unavailable);
    let client = Client::builder(&endpoint)
        .timeout(Duration::from_millis(200))
        .connect_lazy()
        .unwrap();
    let error = client.get_connection("slack").await.unwrap_err();
    assert_eq!(error.code, Code::Unavailable);
}
