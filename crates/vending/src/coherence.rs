//! Coherence: what other replicas change is forgotten here, and memory that has not heard of them for long is not
//! trusted any more.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokend_model::{
    Timestamp,
    ports::{Change, ChangedSubject, ChangesSeen},
};
use tokio::time::Instant;

use crate::{Error, Vending};

/// How often changes are asked for, beside the database's own announcements.
const POLL: Duration = Duration::from_secs(2);

/// When this replica last knew all changes.
pub(crate) struct Hearing {
    start: Instant,
    /// Milliseconds after `start`.
    heard: AtomicU64,
}

impl Hearing {
    /// Memory is empty at the start, and so up to date.
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            heard: AtomicU64::new(0),
        }
    }

    fn note(&self, asked: Instant) {
        let since_start = asked.saturating_duration_since(self.start).as_millis();
        let heard = u64::try_from(since_start).unwrap_or(u64::MAX);
        self.heard.fetch_max(heard, Ordering::Relaxed);
    }

    fn silence(&self) -> Duration {
        let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(heard)
    }
}

impl Vending {
    /// Forgets what others change, as they change it, for as long as it is polled.
    pub async fn follow_changes(&self) {
        let changes = self.shared.ports.changes.clone();
        let mut moment = None;
        loop {
            moment = self.forget_changed(moment).await;
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = changes.announced() => {}
            }
        }
    }

    /// Forgets what was changed since `moment`; answers the moment to go on from.
    async fn forget_changed(&self, moment: Option<Timestamp>) -> Option<Timestamp> {
        let asked = Instant::now();
        match self.shared.ports.changes.since(moment).await {
            Ok(seen) => {
                self.take_in(&seen);
                self.shared.hearing.note(asked);
                Some(seen.until)
            }
            Err(error) => {
                tracing::warn!(%error, "changes of other replicas are not known for now");
                moment
            }
        }
    }

    fn take_in(&self, seen: &ChangesSeen) {
        let cache = &self.shared.cache;
        if seen.gap {
            cache.clear();
            return;
        }
        for Change { workspace, subject } in &seen.changes {
            match subject {
                ChangedSubject::Connection(id) => cache.forget_connection(id),
                ChangedSubject::Connector(id) => cache.forget_connector(workspace, id),
            }
        }
    }

    /// Removes reports of changes that all replicas have had the time to see, and late answers that nobody needed.
    pub async fn forget_old_changes(&self) -> Result<u64, Error> {
        Ok(self.shared.ports.changes.forget_old().await?)
    }

    /// Whether memory may be vended from: it is not longer behind than the stale limit allows.
    pub(crate) fn trusts_memory(&self) -> bool {
        self.shared.hearing.silence() <= self.shared.options.stale_limit.max(2 * POLL)
    }

    /// Whether memory may be vended from while the database is away.
    pub(crate) fn may_outlive_database(&self) -> bool {
        !self.shared.options.stale_limit.is_zero() && self.trusts_memory()
    }
}
