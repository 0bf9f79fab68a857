//! What must never happen, watched while it runs; each violation names the invariant or promise it breaks.

mod calls;
mod end;
mod stores;
mod vends;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokend_model::{ConnectionId, Timestamp, WorkspaceName};

pub(crate) use end::Outcome;

use crate::world::World;

/// How long a claim lasts: a call is over by then, and what is stored later may have been overtaken.
pub(crate) const CLAIM_TIME: chrono::TimeDelta = chrono::TimeDelta::seconds(65);

/// What was seen in a run.
#[derive(Default)]
pub(crate) struct Oracle {
    violations: Mutex<Vec<String>>,
    /// Connections that were deleted, and when.
    deleted: Mutex<BTreeMap<ConnectionId, Timestamp>>,
    /// Pauses that the provider asked a workspace's client for: since when all replicas could know, and until when.
    pauses: Mutex<Vec<Pause>>,
    pub(crate) counts: Counts,
}

/// A client is to leave the provider alone.
struct Pause {
    workspace: WorkspaceName,
    known: Timestamp,
    until: Timestamp,
}

/// What happened, counted.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) refreshes: AtomicU64,
    pub(crate) crashes: AtomicU64,
    pub(crate) takeovers: AtomicU64,
    pub(crate) orphans: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) vends: AtomicU64,
}

impl Oracle {
    pub(crate) fn count_crash(&self) {
        self.counts.crashes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.violations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn deleted(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Timestamp>> {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pauses(&self) -> MutexGuard<'_, Vec<Pause>> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// Something happened that must not.
    pub(crate) fn violated(&self, rule: &str, how: &str) {
        self.trace.write(|| format!("VIOLATION {rule}: {how}"));
        let seconds = self.elapsed().as_secs_f64();
        self.oracle
            .lock()
            .push(format!("{rule} at {seconds:.3} s: {how}"));
    }

    pub(crate) fn note_deleted(&self, id: &ConnectionId, now: Timestamp) {
        self.trace.write(|| format!("{id} deleted"));
        self.oracle.deleted().insert(id.clone(), now);
    }

    /// Whether the provider is taken for one where a refresh token can be redeemed once only.
    pub(crate) fn is_strict(&self) -> bool {
        use tokend_model::Rotation;
        match self.plan.facts.rotation {
            Rotation::Strict | Rotation::Unknown => true,
            Rotation::Overlap { window } => window.as_secs() < 15,
            Rotation::StaysValid | Rotation::UntilSuccessorUsed => false,
        }
    }
}
