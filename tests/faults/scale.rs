//! How much of everything: each rig has a short form, and environment variables that make it longer.

use std::{env, fmt, str::FromStr};

use tokend_tests::{Database, databases};
use tokio::sync::{Mutex, MutexGuard};

static TURN: Mutex<()> = Mutex::const_new(());

/// Waits until no other rig of this process runs: each measures, and each wants the whole machine. `None`: there is no
/// PostgreSQL to run on.
pub(crate) async fn turn() -> Option<MutexGuard<'static, ()>> {
    match databases().contains(&Database::Postgres) {
        true => Some(TURN.lock().await),
        false => None,
    }
}

/// The number in an environment variable, or the short form's.
pub(crate) fn asked<T: FromStr<Err: fmt::Debug>>(variable: &str, short: T) -> T {
    match env::var(variable) {
        Ok(number) => number.parse().unwrap(),
        Err(_) => short,
    }
}

/// Chance that can be had again: the seed is printed, and `SEED` sets it.
pub(crate) fn chance() -> fastrand::Rng {
    let seed = asked("SEED", fastrand::u64(..));
    println!("SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// A number with commas between its thousands.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8(groups.join(&b',')).unwrap()
}

#[test]
fn thousands_are_told_apart() {
    let shown = [0, 999, 1000, 1_234_567].map(thousands);
    assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
}
