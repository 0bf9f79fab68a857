//! Jobs that revoke all connections of an integration type or connector, at rest.

use std::time::Duration;

use async_trait::async_trait;

use super::StorageError;
use crate::{
    BulkRevocationId, ConnectionId, ConnectorId, IntegrationTypeName, Timestamp, WorkspaceName,
};

/// A bulk revocation to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBulkRevocation {
    /// Its id, unless one of the same kind is under way.
    pub id: BulkRevocationId,
    /// The workspace whose connections are revoked.
    pub workspace: WorkspaceName,
    /// Their integration type, by its canonical name.
    pub integration_type: IntegrationTypeName,
    /// Only those under this connector.
    pub connector_id: Option<ConnectorId>,
    /// Why, in the operator's words.
    pub comment: String,
    /// The name of the caller that begins it.
    pub started_by: String,
}

/// A bulk revocation, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkRevocation {
    /// Its id.
    pub id: BulkRevocationId,
    /// The workspace whose connections are revoked.
    pub workspace: WorkspaceName,
    /// Their integration type.
    pub integration_type: IntegrationTypeName,
    /// Only those under this connector.
    pub connector_id: Option<ConnectorId>,
    /// Why, in the operator's words.
    pub comment: String,
    /// The name of the caller that began it.
    pub started_by: String,
    /// How far it is.
    pub state: BulkRevocationState,
    /// How many connections were there to be revoked when it was queued.
    pub total: u64,
    /// How many of them are not there to be revoked any more.
    pub revoked: u64,
    /// Of how many the provider could not be told.
    pub provider_failed: u64,
    /// How many could not be revoked when they were tried last; they are tried again.
    pub left_out: u64,
    /// When it was queued, on the database's clock. What was connected later is left alone.
    pub create_time: Timestamp,
    /// When it ended.
    pub end_time: Option<Timestamp>,
}

/// How far a bulk revocation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BulkRevocationState {
    /// Nobody has taken it up yet.
    Queued,
    /// It was taken up: somebody holds it, or will take it up again.
    Running,
    /// All is revoked.
    Done,
    /// An operator stopped it.
    Cancelled,
}

/// What the holder of a bulk revocation reports: counts of the job as a whole, so that a report that is written twice, or
/// late, counts nothing twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Of how many the provider could not be told; never fewer than were written.
    pub provider_failed: u64,
    /// How many could not be revoked when they were tried last.
    pub left_out: u64,
}

/// Whether the holder of a bulk revocation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It goes on, and holds it for so long if it is not heard of again.
    GoesOn(Duration),
    /// It leaves the rest to whoever takes it up, after so long.
    LetsGo(Duration),
    /// Nothing is left. If something is there all the same, this lets go.
    IsDone,
}

impl BulkRevocationState {
    /// Its name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Done => "DONE",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Reads the name of a state.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Queued, Self::Running, Self::Done, Self::Cancelled];
        all.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether there may be something left to do.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

/// Bulk revocations at rest. What a job has to do is asked of the connections themselves, so that there is no row for
/// each, and a job that goes on after a crash does nothing twice.
#[async_trait]
pub trait BulkRevocations: Send + Sync {
    /// Queues a job, and counts what it has to do; answers the present one if one of the same kind is under way.
    async fn start_bulk_revocation(
        &self,
        new: &NewBulkRevocation,
    ) -> Result<BulkRevocation, StorageError>;

    /// One job of a workspace.
    async fn bulk_revocation(
        &self,
        workspace: &WorkspaceName,
        id: &BulkRevocationId,
    ) -> Result<Option<BulkRevocation>, StorageError>;

    /// The newest jobs of a workspace, the newest first.
    async fn bulk_revocations(
        &self,
        workspace: &WorkspaceName,
        limit: u64,
    ) -> Result<Vec<BulkRevocation>, StorageError>;

    /// Stops a job unless it is over; answers it as it is then.
    async fn cancel_bulk_revocation(
        &self,
        workspace: &WorkspaceName,
        id: &BulkRevocationId,
    ) -> Result<Option<BulkRevocation>, StorageError>;

    /// Takes up a job of any workspace that nobody holds, the oldest first, and holds it for so long. `None`: there is
    /// none. `holder` tells this take from all others, also of the same process.
    async fn take_bulk_revocation(
        &self,
        holder: &str,
        lease: Duration,
    ) -> Result<Option<BulkRevocation>, StorageError>;

    /// Connections that a job has yet to revoke, by id, from after that one on.
    async fn yet_to_revoke(
        &self,
        job: &BulkRevocation,
        after: Option<&ConnectionId>,
        limit: u64,
    ) -> Result<Vec<ConnectionId>, StorageError>;

    /// Notes how far a job is; answers it as it is then. `None`: this holder does not hold it any more.
    async fn report_bulk_revocation(
        &self,
        job: &BulkRevocation,
        holder: &str,
        report: Report,
        progress: Progress,
    ) -> Result<Option<BulkRevocation>, StorageError>;
}
