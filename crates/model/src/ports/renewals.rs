//! Which connections are to be renewed although nobody asks.

use std::time::Duration;

use async_trait::async_trait;

use super::StorageError;
use crate::{ConnectionId, Timestamp, WorkspaceName};

/// A connection whose renewal is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRenewal {
    /// The workspace it lives in.
    pub workspace: WorkspaceName,
    /// Which one.
    pub connection_id: ConnectionId,
    /// When it was due.
    pub due_time: Timestamp,
    /// When it is due again, for having been taken.
    pub next_time: Timestamp,
    /// Whether its refresh token is in somebody's hands or in doubt: a provider's window may be about to close.
    pub is_pressing: bool,
}

/// How much of what is due to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// At most so many in all.
    pub limit: u32,
    /// At most so many of one workspace, so that one with very many does not keep the others waiting.
    pub per_workspace: u32,
    /// How long nobody else is to take them: they are due again after that, whatever becomes of this process.
    pub put_off: Duration,
}

/// Which connections are to be renewed although nobody asks.
#[async_trait]
pub trait Renewals: Send + Sync {
    /// Takes renewals that are due on the database clock, the longest overdue of each workspace first, and none of the
    /// workspaces that have `enough` already. Two replicas never take the same. Costs as much as is due, not as much
    /// as exists.
    async fn take_due(
        &self,
        share: Share,
        enough: &[WorkspaceName],
    ) -> Result<Vec<DueRenewal>, StorageError>;

    /// Makes what was taken due again in `wait` on the database clock, sooner or later than its `next_time`. Without
    /// effect where another time stands there by now: who claimed it since, or took it, knows better.
    async fn put_off(&self, taken: &DueRenewal, wait: Duration) -> Result<(), StorageError>;
}
