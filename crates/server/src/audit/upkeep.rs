//! What the trail needs beside the calls: counts written by the minute, anchors, an end to what is old, and its own end.

use std::sync::{Arc, PoisonError};

use chrono::TimeDelta;
use tokend_model::{
    Timestamp, WorkspaceName,
    ports::{AuditAnchor, AuditSeal, StorageError},
};

use super::{Audit, event::of_trail};

/// Old records go once some are older than they need be by this much, so that there is one record about it a day.
const SLACK: TimeDelta = TimeDelta::days(1);

impl Audit {
    /// Writes counts, those of refusals without records of their own also to the first sink that is not the database, and
    /// how far the file has come.
    pub(crate) async fn settle(&self) {
        let (start, end) = {
            let mut since = self
                .counted_since
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let end = self.clock.now();
            (std::mem::replace(&mut *since, end), end)
        };
        self.tell_untold(start, end).await;
        let seal: Arc<dyn AuditSeal> = self.sealer.clone();
        let flushed = self.counts.flush(&*self.trail, &seal, start, end).await;
        if let Err(error) = flushed {
            tracing::warn!(%error, "counts for the audit trail are kept for the next minute");
        }
        self.anchor().await;
    }

    /// Ends the sinks once everything is written.
    pub(crate) async fn close(&self) {
        self.settle().await;
        for sink in &self.sinks {
            sink.close(self.limit).await;
        }
        self.tasks.close();
        if tokio::time::timeout(self.limit, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("the audit trail's tasks did not end in time");
        }
        self.anchor().await;
    }

    /// Removes what is older than this from the database; what is left says what is gone.
    pub(crate) async fn purge(&self, keep: TimeDelta) -> Result<u64, StorageError> {
        let Some(limit) = self.clock.now().checked_sub_signed(keep) else {
            return Ok(0);
        };
        let mut removed = 0;
        for workspace in self.trail.workspaces().await? {
            removed += self.purge_in(&workspace, limit).await?;
        }
        Ok(removed)
    }

    async fn purge_in(
        &self,
        workspace: &WorkspaceName,
        limit: Timestamp,
    ) -> Result<u64, StorageError> {
        let long_ago = limit - SLACK;
        if self.trail.last_before(workspace, long_ago).await?.is_none() {
            return Ok(0);
        }
        let Some((sequence, hash)) = self.trail.last_before(workspace, limit).await? else {
            return Ok(0);
        };
        let facts = [
            ("event", "purged".to_owned()),
            ("throughSequence", sequence.to_string()),
            ("throughHash", hash),
        ];
        let mut told = of_trail(self.clock.now(), &facts);
        told.workspace = workspace.clone();
        let seal: Arc<dyn AuditSeal> = self.sealer.clone();
        // First on record, then gone: what is gone without a record was taken.
        self.trail
            .append(workspace, vec![Arc::new(told)], seal)
            .await?;
        self.trail.remove_through(workspace, sequence).await
    }

    async fn anchor(&self) {
        let Some(place) = self.head.get() else {
            return;
        };
        let anchor = AuditAnchor {
            stream: place.stream,
            sequence: place.sequence - 1,
            hash: place.previous_hash,
            place: self.file.clone(),
            time: self.clock.now(),
        };
        if let Err(error) = self.trail.anchor(&anchor).await {
            tracing::warn!(%error, "how far the audit trail has come is not known to the database");
        }
    }
}
