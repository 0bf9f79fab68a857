//! Coherence: what other replicas change is forgotten here, and memory that has not heard of them for long is not
//! trusted any more.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokend_model::{
    Timestamp,
    ports::{ChangedSubject, ChangesSeen},
};
use tokio::time::Instant;

use crate::{Error, Vending};

/// How often changes are asked for, beside the database's own announcements.
const POLL: Duration = Duration::from_secs(2);

/// No more often than this, however many announcements come.
const BREATH: Duration = Duration::from_millis(100);

/// How far the changes were followed.
#[derive(Default)]
struct Followed {
    until: Option<Timestamp>,
    /// Those reported the last time: storage reports some again.
    known: HashSet<i64>,
}

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
        let mut followed = Followed::default();
        loop {
            self.forget_changed(&mut followed).await;
            // Announcements come in swarms.
            tokio::time::sleep(BREATH).await;
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = changes.announced() => {}
            }
        }
    }

    /// Forgets what was changed since the last time.
    async fn forget_changed(&self, followed: &mut Followed) {
        let asked = Instant::now();
        match self.shared.ports.changes.since(followed.until).await {
            Ok(seen) => {
                self.take_in(followed, &seen);
                self.shared.hearing.note(asked);
            }
            Err(error) => {
                tracing::warn!(%error, "changes of other replicas are not known for now");
            }
        }
    }

    fn take_in(&self, followed: &mut Followed, seen: &ChangesSeen) {
        let cache = &self.shared.cache;
        // What was remembered before the first asking may have changed unheard.
        if seen.gap || followed.until.is_none() {
            cache.clear();
        }
        for change in &seen.changes {
            match &change.subject {
                _ if followed.known.contains(&change.number) => {}
                ChangedSubject::Connection(id) => cache.forget_connection(id),
                ChangedSubject::Connector(id) => cache.forget_connector(&change.workspace, id),
            }
        }
        followed.until = Some(seen.until);
        followed.known = seen.changes.iter().map(|change| change.number).collect();
    }

    /// Removes reports of changes that all replicas have had the time to see.
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
