//! P-16: replicas whose clocks are ten minutes ahead, or behind.

use std::{
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use prost_types::Timestamp;
use tempfile::TempDir;
use tokend_client::Client;
use tokio::process::Command;

use crate::{
    accounts::{Account, connect},
    fleet::{Fleet, FleetOptions},
    hot::ask,
    load::{Habits, Load},
    provider_class::Class,
    scale::{asked, chance, thousands, turn},
};

const SHIM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/rigs/clock-skew.c");

/// How far off each replica's clock is, in seconds.
const SKEWS: [i64; 3] = [600, -600, 0];

/// How long access tokens live. They are renewed after 60 to 80 % of that.
const LIFETIME: Duration = Duration::from_secs(10);

/// How far off a time in an answer may be.
const PRECISION: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn p16_clocks_ten_minutes_off_change_nothing() {
    let Some(_turn) = turn().await else { return };
    if !cfg!(target_os = "linux") {
        return eprintln!("clocks: NOT TESTED (LD_PRELOAD is Linux's)");
    }
    let lasts = Duration::from_secs(asked("CLOCK_SECONDS", 16));
    let folder = tempfile::tempdir().unwrap();
    let shim = compiled(&folder).await;
    let mut fleet = Fleet::start(FleetOptions::default()).await;
    for (replica, skew) in fleet.replicas.iter_mut().zip(SKEWS) {
        replica.terminate().await;
        replica.set("LD_PRELOAD", &shim);
        replica.set("CLOCK_SKEW_SECONDS", skew.to_string());
        let began = now();
        replica.start().await;
        let log = replica.log_text();
        let told = log.split_whitespace().next().unwrap();
        let told = SystemTime::try_from(told.parse::<Timestamp>().unwrap()).unwrap();
        let expected = match skew {
            0.. => began + Duration::from_secs(skew.unsigned_abs()),
            _ => began - Duration::from_secs(skew.unsigned_abs()),
        };
        assert!(apart(told, expected) < Duration::from_secs(60), "its clock");
    }

    let accounts = connect(&fleet, &Class::ALL, 5, LIFETIME).await;
    let began = Instant::now();
    let habits = Habits {
        callers: 9,
        pause: Duration::from_millis(10),
        reports: 0,
        uses: 0,
    };
    let load = Load::start(&fleet, &accounts, &habits, &mut chance());
    tokio::time::sleep(lasts).await;
    let met = load.stop().await;
    let lived = began.elapsed();
    let ledger = fleet.simulator.ledger();
    let states = accounts
        .iter()
        .map(|account| ledger.family_state(account.family).unwrap());
    let renewals: Vec<_> = states.clone().map(|state| state.redemptions).collect();
    let overlapping: usize = states.map(|state| state.overlapping).sum();

    let mut off = Duration::ZERO;
    for account in &accounts {
        for client in &fleet.clients {
            off = off.max(times_are_true(&fleet, client, account).await);
        }
    }
    println!(
        "rig-clocks: clocks off by {SKEWS:?} s: {} tokens vended, {} of them run out; {:?} renewals of each in {:.0} s, {overlapping} at once; expire_time off by {:.1} s at most",
        thousands(met.vended),
        met.dead,
        renewals.iter().min().zip(renewals.iter().max()).unwrap(),
        lived.as_secs_f64(),
        off.as_secs_f64(),
    );
    assert!(met.failed.is_empty() && met.dead == 0, "{met:?}");
    assert_eq!((overlapping, ledger.reuses()), (0, 0));
    // The first may come at once: what was imported is renewed by when it runs out.
    let most = 1 + (lived.as_secs_f64() / (0.6 * LIFETIME.as_secs_f64())).ceil() as usize;
    let least = (lived.as_secs_f64() / LIFETIME.as_secs_f64()) as usize;
    assert!(
        renewals.iter().all(|count| (least..=most).contains(count)),
        "{renewals:?}"
    );
    assert!(off <= PRECISION, "{off:?}");
}

/// Renews at this replica, and asks all of them; answers how far off the end of the token's life was told.
async fn times_are_true(fleet: &Fleet, client: &Client, account: &Account) -> Duration {
    let before = now();
    let renewed = account.refresh(client).await.unwrap();
    let end = before + LIFETIME;
    let mut off = apart(time(renewed.expire_time), end);
    for client in &fleet.clients {
        let vended = ask(client, account).await.unwrap();
        if vended.generation == renewed.generation {
            off = off.max(apart(time(vended.expire_time), end));
        }
    }
    off
}

async fn compiled(folder: &TempDir) -> String {
    let shim = folder.path().join("clock-skew.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]);
    let compiled = compiler.arg(&shim).arg(Path::new(SHIM)).status().await;
    assert!(compiled.unwrap().success());
    shim.display().to_string()
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    let earlier = one.min(other);
    one.max(other).duration_since(earlier).unwrap()
}

fn time(time: Option<Timestamp>) -> SystemTime {
    time.unwrap().try_into().unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the true time is what this is about"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
