//! Does the time that refusing an API key takes tell what was wrong with it (threat T-13)? Compares, after dudect
//! (Reparaz et al. 2017), how long unknown ids, secrets wrong in the first and in the last place, and expired keys take:
//! Welch's t between each two, of which none may reach 4.5. `make bench-key-timing` runs it; SAMPLES says how many of
//! each kind.

use std::{hint::black_box, ops::Range, process::ExitCode, sync::Arc, time::Instant};

use async_trait::async_trait;
use tokend_access::{ApiKey, ApiKeyAuthenticator};
use tokend_model::{
    Timestamp, WorkspaceName,
    ports::{ApiKeyRecord, ApiKeys, CallerRole, Clock, StorageError},
};

/// Two kinds of calls share the live keys, so that none is asked for more often, and hotter in the caches, than others.
const LIVE: usize = 20;
const EXPIRED: usize = 10;
const LIMIT: f64 = 4.5;
/// The slowest of all calls are what the operating system did meanwhile; this part of them is left in.
const KEPT: f64 = 0.95;
/// Where in a key its id is, and the first and the last byte of its secret.
const ID: Range<usize> = 7..23;
const FIRST: usize = 24;
const LAST: usize = FIRST + 42;
const BASE64URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// What is sent; all of it is refused.
const KINDS: [&str; 4] = [
    "unknown id",
    "wrong first byte",
    "wrong last byte",
    "expired",
];

struct Keys(Vec<ApiKeyRecord>);

struct Noon;

/// The mean and variance of measurements in nanoseconds.
struct Figures {
    count: f64,
    mean: f64,
    variance: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let samples = std::env::var("SAMPLES").ok();
    let samples = samples
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000_000);
    match measure(samples).await {
        Some(times) => report(times),
        None => {
            eprintln!("no keys can be made, or a wrong one is accepted");
            ExitCode::FAILURE
        }
    }
}

/// How long each call of each kind took; `None` if one was accepted.
async fn measure(samples: usize) -> Option<[Vec<u32>; KINDS.len()]> {
    let make = |count, expire_time| -> Option<Vec<ApiKey>> {
        let workspace = WorkspaceName::default_workspace();
        let make = || {
            let role = CallerRole::Backend;
            ApiKey::generate("caller", workspace.clone(), role, Noon.now(), expire_time).ok()
        };
        (0..count).map(|_| make()).collect()
    };
    let (live, expired) = (make(LIVE, None)?, make(EXPIRED, Some(Noon.now()))?);
    let known = live.iter().chain(&expired).map(|key| key.record.clone());
    let keys = Arc::new(Keys(known.collect()));
    let authenticator = ApiKeyAuthenticator::new(keys, Arc::new(Noon));
    authenticator.reload().await.ok()?;

    let mut times: [Vec<u32>; KINDS.len()] = Default::default();
    while times.iter().any(|times| times.len() < samples) {
        let kind = fastrand::usize(..KINDS.len());
        let from = [&live, &live, &live, &expired][kind];
        let key = from[fastrand::usize(..from.len())].key.expose();
        // All kinds are put together alike, so that none is colder in the caches than another.
        let id = format!("{:016x}", fastrand::u64(..));
        let id = [&id, &key[ID], &key[ID], &key[ID]][kind];
        let (first, last) = (&key[FIRST..=FIRST], &key[LAST..]);
        let first = [first, another(first), first, first][kind];
        let last = [last, last, another(last), last][kind];
        let text = format!("tokend_{id}_{first}{}{last}", &key[FIRST + 1..LAST]);

        let begun = Instant::now();
        let answer = black_box(authenticator.authenticate(black_box(&text)).await);
        let took = begun.elapsed();
        if answer.is_ok() {
            return None;
        }
        times[kind].push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
    }
    Some(times)
}

/// A letter of the alphabet, any but this one.
fn another(letter: &str) -> &'static str {
    let there = BASE64URL.find(letter).unwrap_or_default();
    let other = (there + fastrand::usize(1..BASE64URL.len())) % BASE64URL.len();
    &BASE64URL[other..=other]
}

fn report(mut times: [Vec<u32>; KINDS.len()]) -> ExitCode {
    // The first calls fill caches.
    for times in &mut times {
        times.drain(..times.len() / 100);
    }
    let limit = cut(times.iter().flatten().copied().collect());
    let figures = times.map(|times| Figures::of(times.into_iter().filter(|time| *time <= limit)));
    for (kind, figures) in KINDS.iter().zip(&figures) {
        println!(
            "{kind:>18}: {:8.0} calls, mean {:7.1} ns",
            figures.count, figures.mean
        );
    }
    let mut worst: f64 = 0.0;
    for one in 0..KINDS.len() {
        for other in one + 1..KINDS.len() {
            let t = figures[one].t(&figures[other]);
            println!("{:>18} / {}: t = {t:.2}", KINDS[one], KINDS[other]);
            worst = worst.max(t.abs());
        }
    }
    println!("worst |t| = {worst:.2}, of which {LIMIT} may not be reached");
    match worst < LIMIT {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// The time that the part of the calls that is kept did not take longer than.
fn cut(mut times: Vec<u32>) -> u32 {
    times.sort_unstable();
    let kept = (times.len() as f64 * KEPT) as usize;
    times.get(kept).copied().unwrap_or(u32::MAX)
}

impl Figures {
    /// After Welford, in one go.
    fn of(times: impl Iterator<Item = u32>) -> Self {
        let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for time in times.map(f64::from) {
            count += 1.0;
            let difference = time - mean;
            mean += difference / count;
            squares += difference * (time - mean);
        }
        let variance = squares / (count - 1.0);
        Self {
            count,
            mean,
            variance,
        }
    }

    /// Welch's t.
    fn t(&self, other: &Self) -> f64 {
        let spread = self.variance / self.count + other.variance / other.count;
        (self.mean - other.mean) / spread.sqrt()
    }
}

#[async_trait]
impl ApiKeys for Keys {
    async fn list(&self) -> Result<Vec<ApiKeyRecord>, StorageError> {
        Ok(self.0.clone())
    }

    async fn insert(&self, _key: &ApiKeyRecord) -> Result<(), StorageError> {
        Err(StorageError::Exists)
    }

    async fn replace(
        &self,
        _key: &ApiKeyRecord,
        _replaced: &[String],
        _end: Timestamp,
    ) -> Result<(), StorageError> {
        Err(StorageError::Exists)
    }

    async fn delete(&self, _key_ids: &[String]) -> Result<u64, StorageError> {
        Ok(0)
    }

    async fn note_uses(&self, _uses: &[(String, Timestamp)]) -> Result<(), StorageError> {
        Ok(())
    }
}

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + chrono::TimeDelta::days(20_000)
    }
}
