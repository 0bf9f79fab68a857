//! A peer that floods is turned away, and a well-behaved caller beside it hardly notices.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokend_api::v1::{
    GetConnectionRequest, GetIntegrationTypeRequest, ListConnectorsRequest,
    admin_service_client::AdminServiceClient, connector_service_client::ConnectorServiceClient,
};
use tokend_server::{Callers, NewCaller, Server, add_caller, config::Config, generate_key_file};
use tokend_tests::{Authority, Database, eventually, local_config, reason, refused, tls_channel};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tonic::{Code, Request, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use crate::frames::{ATTACKER, Ended, Frames, NEIGHBOUR, connect};

/// What HTTP/2 calls ENHANCE_YOUR_CALM.
const CALM_DOWN: u32 = 11;
const PATIENCE: Duration = Duration::from_secs(20);

/// A server with narrow limits, and an operator's key.
struct Served {
    server: Server,
    authority: Authority,
    api_key: String,
    _home: TempDir,
}

impl Served {
    async fn start(configure: impl FnOnce(&mut Config)) -> Self {
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

    fn port(&self) -> u16 {
        self.server.grpc_address().port()
    }

    async fn channel(&self) -> Channel {
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

fn with_key<T>(message: T, api_key: &str) -> Request<T> {
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

/// How the flood is: `FLOOD_SECONDS` for each of the parts that are compared, `FLOOD_RATE` for how much of each kind.
fn from_environment(name: &str, otherwise: u64) -> u64 {
    let set = env::var(name).ok();
    set.map_or(otherwise, |text| text.parse().unwrap())
}

/// What a flood came to.
#[derive(Default)]
struct Tally {
    attempts: AtomicU32,
    turned_away: AtomicU32,
}

impl Tally {
    fn count(&self, turned_away: bool) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        self.turned_away
            .fetch_add(u32::from(turned_away), Ordering::Relaxed);
    }

    fn told(&self) -> String {
        let turned_away = self.turned_away.load(Ordering::Relaxed);
        format!("{turned_away} of {}", self.attempts.load(Ordering::Relaxed))
    }
}

/// One kind of abuse, again and again until told to stop; answers how often the peer was turned away.
fn flood<F>(stop: &Arc<AtomicBool>, pause: Duration, once: impl Fn() -> F + Send + 'static) -> Flood
where
    F: Future<Output = bool> + Send,
{
    let (tally, stop) = (Arc::new(Tally::default()), stop.clone());
    let counted = tally.clone();
    let task = tokio::spawn(async move {
        while !stop.load(Ordering::Relaxed) {
            counted.count(once().await);
            tokio::time::sleep(pause).await;
        }
    });
    Flood { tally, task }
}

struct Flood {
    tally: Arc<Tally>,
    task: JoinHandle<()>,
}

/// All kinds of abuse at once, from the attacker's address.
fn abuse(served: &Served, stop: &Arc<AtomicBool>) -> Vec<(&'static str, Flood)> {
    let rate = from_environment("FLOOD_RATE", 5);
    let pause = Duration::from_millis(1000 / rate.max(1));
    let port = served.port();
    let trusted: Arc<str> = served.authority.pem.as_str().into();
    let api_key: Arc<str> = served.api_key.as_str().into();
    let frames = move || {
        let trusted = trusted.clone();
        async move { Frames::connect(ATTACKER, port, &trusted, 0).await }
    };
    let (resetting, continuing, reading) = (frames.clone(), frames.clone(), frames);
    vec![
        (
            "slow handshakes",
            flood(stop, pause, move || async move {
                let mut all = Vec::new();
                for _ in 0..20 {
                    let Ok(mut stream) = connect(ATTACKER, port).await else {
                        return true;
                    };
                    let _ = stream.write_all(b"\x16\x03\x01\x02\x00\x01").await;
                    all.push(stream);
                }
                let mut turned_away = false;
                for stream in &mut all {
                    turned_away |= matches!(stream.read(&mut [0; 16]).await, Ok(0) | Err(_));
                }
                turned_away
            }),
        ),
        (
            "rapid resets",
            flood(stop, pause, move || {
                let connect = resetting();
                async move {
                    let Ok(mut frames) = connect.await else {
                        return true;
                    };
                    let _ = frames.reset(200).await;
                    frames.ended().await == Ended::GoAway(CALM_DOWN)
                }
            }),
        ),
        (
            "endless metadata",
            flood(stop, pause, move || {
                let connect = continuing();
                async move {
                    let Ok(mut frames) = connect.await else {
                        return true;
                    };
                    let _ = frames.continue_headers(1000).await;
                    matches!(frames.ended().await, Ended::GoAway(_) | Ended::Closed)
                }
            }),
        ),
        (
            "answers that nobody reads",
            flood(stop, pause, move || {
                let (connect, api_key) = (reading(), api_key.clone());
                async move {
                    let Ok(mut frames) = connect.await else {
                        return true;
                    };
                    let sent = frames.call(20, &api_key).await;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    sent.is_err()
                }
            }),
        ),
    ]
}

/// Calls of a well-behaved caller, one after the other, for so long; how long each took.
async fn behave(
    admin: &mut AdminServiceClient<Channel>,
    api_key: &str,
    span: Duration,
) -> Vec<Duration> {
    let until = Instant::now() + span;
    let mut took = Vec::new();
    while Instant::now() < until {
        let get = GetIntegrationTypeRequest {
            integration_type: "googlecalendar".to_owned(),
        };
        let started = Instant::now();
        let answer = admin.get_integration_type(with_key(get, api_key)).await;
        answer.expect("a well-behaved caller is served");
        took.push(started.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    took
}

fn p99(took: &mut [Duration]) -> Duration {
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

/// Resident memory of this process, server and attacker alike, in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_leaves_others_alone() {
    let served = Served::start(|config| config.grpc.max_connections = 100).await;
    let span = Duration::from_secs(from_environment("FLOOD_SECONDS", 2));
    let mut admin = AdminServiceClient::new(served.channel().await);
    let mut calls = async |span| behave(&mut admin, &served.api_key, span).await;
    calls(Duration::from_millis(500)).await;

    let (mut quiet, mut flooded) = (Vec::new(), Vec::new());
    let mut told = Vec::new();
    let before = resident();
    for _ in 0..2 {
        quiet.extend(calls(span).await);
        let stop = Arc::new(AtomicBool::new(false));
        let floods = abuse(&served, &stop);
        flooded.extend(calls(span).await);
        stop.store(true, Ordering::Relaxed);
        for (kind, flood) in floods {
            flood.task.await.unwrap();
            told.push(format!("{kind} {}", flood.tally.told()));
            // Answers that nobody reads wait; everything else ends in being turned away.
            let turned_away = flood.tally.turned_away.load(Ordering::Relaxed);
            assert!(turned_away > 0 || kind.starts_with("answers"), "{kind}");
        }
    }
    let grown = resident().saturating_sub(before);
    let (calls_quiet, calls_flooded) = (quiet.len(), flooded.len());
    let (quiet, flooded) = (p99(&mut quiet), p99(&mut flooded));
    println!("flooding: turned away: {}", told.join(", "));
    println!(
        "flooding: p99 {quiet:?} of {calls_quiet} calls without and {flooded:?} of {calls_flooded} with the flood: ratio \
         {:.2}; memory of both sides grew by {grown} MiB",
        flooded.as_secs_f64() / quiet.as_secs_f64()
    );
    served.server.stop().await;
}
