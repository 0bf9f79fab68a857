//! A peer that floods is turned away, and a well-behaved caller beside it hardly notices. The attacker is a process of its
//! own, as it would be: what it costs to attack is not the server's.

use std::{
    env,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokend_api::v1::{GetIntegrationTypeRequest, admin_service_client::AdminServiceClient};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    task::JoinHandle,
};
use tonic::transport::Channel;

use crate::{
    flooding::{CALM_DOWN, Served, with_key},
    frames::{ATTACKER, Ended, Frames, connect},
};

/// What tells the attacker whom to attack: the port, the operator's key, and whom it trusts, in a file.
const PORT: &str = "FLOOD_PORT";
const API_KEY: &str = "FLOOD_API_KEY";
const TRUSTED_FILE: &str = "FLOOD_TRUSTED_FILE";

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
fn abuse(
    port: u16,
    trusted: &str,
    api_key: &str,
    stop: &Arc<AtomicBool>,
) -> Vec<(&'static str, Flood)> {
    let rate = from_environment("FLOOD_RATE", 5);
    let pause = Duration::from_millis(1000 / rate.max(1));
    let trusted: Arc<str> = trusted.into();
    let api_key: Arc<str> = api_key.into();
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

/// Resident memory of this process, server and well-behaved caller, in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() / 1024
}

/// The attacker: what the test below starts as a process, which ends it by closing its standard input.
#[tokio::test(flavor = "multi_thread")]
async fn attacker() {
    let Ok(port) = env::var(PORT) else { return };
    let trusted = std::fs::read_to_string(env::var(TRUSTED_FILE).unwrap()).unwrap();
    let api_key = env::var(API_KEY).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let floods = abuse(port.parse().unwrap(), &trusted, &api_key, &stop);
    let until_closed = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    let closed = tokio::task::spawn_blocking(until_closed);
    closed.await.unwrap().unwrap();
    stop.store(true, Ordering::Relaxed);
    let mut told = Vec::new();
    for (kind, flood) in floods {
        flood.task.await.unwrap();
        told.push(format!("{kind} {}", flood.tally.told()));
        // Answers that nobody reads wait; everything else ends in being turned away.
        let turned_away = flood.tally.turned_away.load(Ordering::Relaxed);
        assert!(turned_away > 0 || kind.starts_with("answers"), "{kind}");
    }
    println!("flooding: turned away: {}", told.join(", "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_leaves_others_alone() {
    let served = Served::start(|config| config.grpc.max_connections = 100).await;
    let span = Duration::from_secs(from_environment("FLOOD_SECONDS", 2));
    let home = tempfile::tempdir().unwrap();
    let trusted = home.path().join("trusted.pem");
    std::fs::write(&trusted, &served.authority.pem).unwrap();
    let mut admin = AdminServiceClient::new(served.channel().await);
    let mut calls = async |span| behave(&mut admin, &served.api_key, span).await;
    calls(Duration::from_millis(500)).await;

    let (mut quiet, mut flooded) = (Vec::new(), Vec::new());
    let before = resident();
    for _ in 0..2 {
        quiet.extend(calls(span).await);
        let mut attacker = Command::new(env::current_exe().unwrap())
            .args(["--exact", "flood_ratio::attacker", "--nocapture"])
            .env(PORT, served.port().to_string())
            .env(API_KEY, &served.api_key)
            .env(TRUSTED_FILE, &trusted)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        flooded.extend(calls(span).await);
        drop(attacker.stdin.take());
        let ended = attacker.wait_with_output().await.unwrap();
        let told = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success(), "{told}");
        for line in told
            .lines()
            .filter_map(|line| line.find("flooding: ").map(|at| &line[at..]))
        {
            println!("{line}");
        }
    }
    let grown = resident().saturating_sub(before);
    let (calls_quiet, calls_flooded) = (quiet.len(), flooded.len());
    let (quiet, flooded) = (p99(&mut quiet), p99(&mut flooded));
    println!(
        "flooding: p99 {quiet:?} of {calls_quiet} calls without and {flooded:?} of {calls_flooded} with the flood: ratio \
         {:.2}; memory of the server grew by {grown} MiB",
        flooded.as_secs_f64() / quiet.as_secs_f64()
    );
    served.server.stop().await;
}
