//! What other replicas have changed that this one may have in memory.

use async_trait::async_trait;

use super::StorageError;
use crate::{ConnectionId, ConnectorId, Timestamp, WorkspaceName};

/// Something that is no longer as a replica may remember it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number, by which one that is reported twice is known.
    pub number: i64,
    /// The workspace.
    pub workspace: WorkspaceName,
    /// What changed in it.
    pub subject: ChangedSubject,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedSubject {
    /// A connection was ended, made anew, or renewed so that its token before no longer works.
    Connection(ConnectionId),
    /// A connector was changed or removed, and all under it may be.
    Connector(ConnectorId),
}

/// What was reported up to a moment, to go on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesSeen {
    /// The changes that are new since the last time; some may be reported twice.
    pub changes: Vec<Change>,
    /// The moment on the database clock, to ask from the next time.
    pub until: Timestamp,
    /// Whether changes may be missing between the last time and this: they are kept for a while only.
    pub gap: bool,
}

/// What other replicas have changed.
#[async_trait]
pub trait Changes: Send + Sync {
    /// The changes since a moment on the database clock; `None` begins at the present one, with none.
    async fn since(&self, moment: Option<Timestamp>) -> Result<ChangesSeen, StorageError>;

    /// Comes back as soon as the database announces a change; never, where it cannot announce any.
    async fn announced(&self);

    /// Forgets what all replicas have had the time to see; answers how many rows went.
    async fn forget_old(&self) -> Result<u64, StorageError>;
}
