//! What peers may have at once, and how fast: more is turned away, and others go on.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokend_api::v1::{
    GetConnectionRequest, ListConnectorsRequest, admin_service_client::AdminServiceClient,
    connector_service_client::ConnectorServiceClient,
};
use tokend_server::{Callers, NewCaller, Server, add_caller, config::Config, generate_key_file};
use tokend_tests::{Authority, Database, eventually, local_config, reason, refused, tls_channel};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tonic::{Code, Request, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use crate::frames::{ATTACKER, Ended, Frames, NEIGHBOUR, connect};

/// What HTTP/2 calls ENHANCE_YOUR_CALM.
pub(super) const CALM_DOWN: u32 = 11;
const PATIENCE: Duration = Duration::from_secs(20);

/// A server with narrow limits, and an operator's key.
pub(super) struct Served {
    pub(super) server: Server,
    pub(super) authority: Authority,
    pub(super) api_key: String,
    _home: TempDir,
}

impl Served {
    pub(super) async fn start(configure: impl FnOnce(&mut Config)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let pair = authority.server();
        let mut config = local_config(Database::Sqlite, home.path()).await;
        config.grpc.tls_certificate_file = home.path().join("server.pem");
        config.grpc.tls_private_key_file = home.path().join("server.key");
        std::fs::write(&config.grpc.tls_certificate_file, &pair.certificate).unwrap();
        std::fs::write(&config.grpc.tls_private_key_file, &pair.key).unwrap();
        config.grpc.handshake_timeout_seconds = 1;
        config.grpc.max_metadata_bytes = 8192;
        config.grpc.max_concurrent_streams = 100;
        configure(&mut config);
        generate_key_file(&config.keys.file).unwrap();
        let caller = NewCaller {
            name: "ops".to_owned(),
            workspace: "default".to_owned(),
            operator: true,
            expires_in: None,
        };
        let added = add_caller(&config, caller).await.unwrap();
        Self {
            server: Server::start(&config, Callers::ApiKeys).await.unwrap(),
            authority,
            api_key: added.api_key.expose().to_owned(),
            _home: home,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.server.grpc_address().port()
    }

    pub(super) async fn channel(&self) -> Channel {
        tls_channel(self.port(), &self.authority.pem, None)
            .await
            .unwrap()
    }

    async fn frames(&self, from: [u8; 4]) -> Frames {
        Frames::connect(from, self.port(), &self.authority.pem, 65535)
            .await
            .unwrap()
    }

    fn request<T>(&self, message: T) -> Request<T> {
        with_key(message, &self.api_key)
    }
}

pub(super) fn with_key<T>(message: T, api_key: &str) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {api_key}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_is_too_large_is_refused() {
    let served = Served::start(|_| {}).await;
    let mut connectors = ConnectorServiceClient::new(served.channel().await);
    let mut with_metadata = async |bytes: usize| {
        let mut request = served.request(GetConnectionRequest {
            integration_type: "googlecalendar".to_owned(),
            ..Default::default()
        });
        let value = "x".repeat(bytes).parse().unwrap();
        request.metadata_mut().insert("x-metadata", value);
        connectors.get_connection(request).await
    };
    refused(
        with_metadata(7000).await,
        Code::NotFound,
        "CONNECTOR_NOT_FOUND",
    );
    refused(
        with_metadata(8192).await,
        Code::ResourceExhausted,
        "QUOTA_EXCEEDED",
    );
    // More than that HTTP/2 itself does not take.
    assert!(with_metadata(100_000).await.is_err());
    refused(
        with_metadata(7000).await,
        Code::NotFound,
        "CONNECTOR_NOT_FOUND",
    );

    let mut frames = served.frames(ATTACKER).await;
    let _ = frames.continue_headers(10_000).await;
    let ended = timeout(PATIENCE, frames.ended()).await.unwrap();
    println!("metadata without an end: {ended:?}");
    served.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rapid_resets_end_their_connection() {
    let served = Served::start(|_| {}).await;
    let mut frames = served.frames(ATTACKER).await;
    let _ = frames.reset(2000).await;
    let ended = timeout(PATIENCE, frames.ended()).await.unwrap();
    assert_eq!(ended, Ended::GoAway(CALM_DOWN));
    served.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_connection_is_asked_to_end() {
    let served = Served::start(|config| config.grpc.max_connection_age_seconds = 1).await;
    let frames = served.frames(ATTACKER).await;
    let ended = timeout(PATIENCE, frames.ended()).await.unwrap();
    assert_eq!(ended, Ended::GoAway(0), "without an error");
    served.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_does_not_begin_is_closed() {
    let served = Served::start(|_| {}).await;
    let started = Instant::now();
    for begins_with in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut silent = connect(ATTACKER, served.port()).await.unwrap();
        silent.write_all(begins_with).await.unwrap();
        let read = timeout(PATIENCE, silent.read(&mut [0; 16])).await.unwrap();
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
    assert!(
        started.elapsed() > Duration::from_millis(1900),
        "they had their time"
    );
    served.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_get_all_connections() {
    let served = Served::start(|config| {
        config.grpc.max_connections = 40;
        config.grpc.handshake_timeout_seconds = 60;
    })
    .await;
    let mut open = Vec::new();
    for _ in 0..60 {
        open.push(connect(ATTACKER, served.port()).await.unwrap());
    }
    // Half of 40 stay, and the others are closed without a word.
    let closed = eventually("the others are closed", async || {
        let is_closed = |stream: &TcpStream| matches!(stream.try_read(&mut [0]), Ok(0));
        let closed = open.iter().filter(|stream| is_closed(stream)).count();
        (closed >= 40).then_some(closed)
    })
    .await;
    assert_eq!(closed, 40);
    let mut admin = AdminServiceClient::new(served.channel().await);
    let list = served.request(ListConnectorsRequest::default());
    admin.list_connectors(list).await.unwrap();
    drop(open);
    served.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_beyond_the_limit_are_refused_and_probes_are_not() {
    let served = Served::start(|config| config.grpc.max_concurrent_calls = 2).await;
    let channel = served.channel().await;
    let mut admin = AdminServiceClient::new(channel.clone());
    let mut list = async || {
        let request = served.request(ListConnectorsRequest::default());
        admin.list_connectors(request).await
    };
    list().await.unwrap();

    // A call whose message does not come is under way: an address may have one of two. If ours was, it is refused.
    let mut frames = served.frames(NEIGHBOUR).await;
    let status = eventually("there is no room", async || {
        frames.begin_call().await.unwrap();
        list().await.err()
    })
    .await;
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unavailable, "OVERLOADED")
    );
    let retry = status.get_error_details().retry_info().cloned();
    assert!(
        retry.is_some_and(|retry| retry.retry_delay.is_some()),
        "{status:?}"
    );
    let mut health = HealthClient::new(channel);
    health.check(HealthCheckRequest::default()).await.unwrap();

    drop(frames);
    eventually("there is room again", async || list().await.ok()).await;
    served.server.stop().await;
}

const LIST: &str = "/tokend.v1.AdminService/ListConnectors";

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_of_nobody_known_have_a_bound_and_an_end() {
    let served = Served::start(|config| config.grpc.request_timeout_seconds = 5).await;
    let channel = served.channel().await;
    let mut admin = AdminServiceClient::new(channel.clone());
    let mut list = async || {
        let request = served.request(ListConnectorsRequest::default());
        admin.list_connectors(request).await
    };
    list().await.unwrap();

    // However many one address begins, there is room for others.
    let mut attacker = served.frames(ATTACKER).await;
    attacker.begin_calls(LIST, 90).await.unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        list().await.unwrap();
    }
    // Two addresses take all of it, and backends and probes go on.
    let mut neighbour = served.frames(NEIGHBOUR).await;
    let status = eventually("there is no room", async || {
        neighbour.begin_calls(LIST, 1).await.unwrap();
        list().await.err()
    })
    .await;
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unavailable, "OVERLOADED")
    );
    let get = served.request(GetConnectionRequest {
        integration_type: "googlecalendar".to_owned(),
        ..Default::default()
    });
    let mut connectors = ConnectorServiceClient::new(channel.clone());
    refused(
        connectors.get_connection(get).await,
        Code::NotFound,
        "CONNECTOR_NOT_FOUND",
    );
    let mut health = HealthClient::new(channel);
    health.check(HealthCheckRequest::default()).await.unwrap();
    // Both connections stay open, but no call outlives its time.
    eventually("there is room again", async || list().await.ok()).await;
    drop((attacker, neighbour));
    served.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_have_room_of_their_own_and_probes_pass() {
    let served = Served::start(|config| {
        config.grpc.max_concurrent_streams = 2000;
        config.grpc.max_concurrent_calls = 2;
    })
    .await;
    let channel = served.channel().await;
    let mut health = HealthClient::new(channel.clone());
    let mut watches = Vec::new();
    let status = loop {
        match health.watch(HealthCheckRequest::default()).await {
            Ok(watch) => watches.push(watch),
            Err(status) => break status,
        }
        assert!(watches.len() <= 500, "half of 1000 for one address");
    };
    assert_eq!(
        (status.code(), reason(&status).as_str(), watches.len()),
        (Code::Unavailable, "OVERLOADED", 500)
    );
    // Neither these nor calls that never end take the room of probes.
    let mut frames = served.frames(NEIGHBOUR).await;
    frames.begin_calls(LIST, 90).await.unwrap();
    for _ in 0..100 {
        health.check(HealthCheckRequest::default()).await.unwrap();
    }
    drop(watches);
    eventually("there is room again", async || {
        health.watch(HealthCheckRequest::default()).await.ok()
    })
    .await;
    drop((health, channel, frames));
    served.server.stop().await;
}
