//! The simulated world: one database, one provider, the replicas' disks, and what happens to all of them.

pub(crate) mod journal;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod provider;
pub(crate) mod tables;
pub(crate) mod wire;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use tokend_model::{ConnectionId, Timestamp};
use tokio::{sync::Notify, time::Instant};

use crate::{dice::Dice, oracle::Oracle, plan::Plan, trace::Trace};
use journal::Disk;
use provider::Provider;
use tables::Tables;

/// By then what a killed process left has been taken over and finished.
const TAKEN_OVER: Duration = Duration::from_secs(20);

/// Everything that outlives a process.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) oracle: Oracle,
    /// Rung whenever the database announces a change.
    pub(crate) bell: Notify,
    start: Instant,
    calm: AtomicBool,
    down: AtomicUsize,
    /// When the last process was killed, in milliseconds since the start.
    killed: AtomicU64,
    tables: Mutex<Tables>,
    provider: Mutex<Provider>,
    disks: Mutex<BTreeMap<usize, Disk>>,
    subjects: Mutex<BTreeMap<ConnectionId, usize>>,
}

impl World {
    pub(crate) fn new(plan: Plan, dice: Dice, traced: bool) -> Self {
        let provider = Provider::new(plan.conduct.clone());
        let replicas = plan.replicas;
        Self {
            dice,
            trace: Trace::new(traced),
            oracle: Oracle::default(),
            bell: Notify::new(),
            start: Instant::now(),
            calm: AtomicBool::new(false),
            down: AtomicUsize::new(replicas),
            killed: AtomicU64::new(0),
            tables: Mutex::default(),
            provider: Mutex::new(provider),
            disks: Mutex::default(),
            subjects: Mutex::default(),
            plan,
        }
    }

    /// The true time, which is also the database's.
    pub(crate) fn now(&self) -> Timestamp {
        at(self.start.elapsed())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// No more faults from now on.
    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// Whether a fault that happens in `share` of all cases happens now.
    pub(crate) fn fault(&self, share: f64) -> bool {
        !self.calm.load(Ordering::Relaxed) && self.dice.chance(share)
    }

    /// Whether a process is to be killed now.
    pub(crate) fn kills(&self, share: f64) -> bool {
        let others_serve = self.down.load(Ordering::Relaxed) == 0;
        let last = Duration::from_millis(self.killed.load(Ordering::Relaxed));
        let is_spaced = self.elapsed() >= last + TAKEN_OVER;
        (others_serve && is_spaced || !self.plan.one_at_a_time) && self.fault(share)
    }

    pub(crate) fn note_killed(&self) {
        self.oracle.count_crash();
        let now = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.killed.store(now, Ordering::Relaxed);
        self.down.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_serving(&self) {
        self.down.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    pub(crate) fn database_is_away(&self) -> bool {
        self.is_away(self.plan.database_outage.as_ref())
    }

    pub(crate) fn provider_is_away(&self) -> bool {
        self.is_away(self.plan.provider_outage.as_ref())
    }

    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn provider(&self) -> MutexGuard<'_, Provider> {
        self.provider.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn disks(&self) -> MutexGuard<'_, BTreeMap<usize, Disk>> {
        self.disks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which of the run's connections each id is.
    pub(crate) fn subjects(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, usize>> {
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_away(&self, outage: Option<&std::ops::Range<u64>>) -> bool {
        let second = self.start.elapsed().as_secs();
        !self.is_calm() && outage.is_some_and(|outage| outage.contains(&second))
    }
}

/// A time so long after the start.
fn at(elapsed: Duration) -> Timestamp {
    let start = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default();
    start + TimeDelta::from_std(elapsed).unwrap_or_default()
}
