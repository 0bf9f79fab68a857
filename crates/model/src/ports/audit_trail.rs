//! The part of the audit trail that is in the database: a chain of records for each workspace.

use std::sync::Arc;

use async_trait::async_trait;

use super::StorageError;
use crate::{AuditAction, AuditEvent, AuditOutcome, Timestamp, WorkspaceName};

/// Where in a chain a record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPlace {
    /// Which chain.
    pub stream: String,
    /// Counted from 1 without gaps.
    pub sequence: i64,
    /// Of the record before, in hexadecimal; empty for the first.
    pub previous_hash: String,
}

/// An event as a record of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedAuditRecord {
    /// One line of JSON, without its end.
    pub line: String,
    /// Its keyed hash, in hexadecimal: the next record names it.
    pub hash: String,
}

/// Makes records of events.
pub trait AuditSeal: Send + Sync {
    /// The event's record at this place.
    fn seal(
        &self,
        event: &AuditEvent,
        place: &AuditPlace,
    ) -> Result<SealedAuditRecord, StorageError>;
}

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAuditRecord {
    /// Its place in its workspace's chain.
    pub sequence: i64,
    /// One line of JSON.
    pub line: String,
}

/// Which records are meant: all that fit every condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// From then on.
    pub start: Option<Timestamp>,
    /// Before then.
    pub end: Option<Timestamp>,
    /// One of these; any if empty.
    pub actions: Vec<AuditAction>,
    /// That ended so.
    pub outcome: Option<AuditOutcome>,
    /// By this caller; by any if empty.
    pub caller: String,
    /// For this app user; for any if empty.
    pub app_user_id: String,
    /// Of this connector; of any if empty.
    pub connector_id: String,
    /// Of this connection; of any if empty.
    pub connection_id: String,
    /// Of this integration type; of any if empty.
    pub integration_type: String,
    /// The oldest first.
    pub oldest_first: bool,
}

/// How far a chain that is kept elsewhere had come: what is cut off its end is missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditAnchor {
    /// Which chain.
    pub stream: String,
    /// Its last record.
    pub sequence: i64,
    /// That record's hash.
    pub hash: String,
    /// Where the chain is kept, for a person to read.
    pub place: String,
    /// When it was seen.
    pub time: Timestamp,
}

/// Records of events in the database.
#[async_trait]
pub trait AuditTrail: Send + Sync {
    /// Appends events to their workspace's chain, all or none; several replicas may do so at once.
    async fn append(
        &self,
        workspace: &WorkspaceName,
        events: Vec<Arc<AuditEvent>>,
        seal: Arc<dyn AuditSeal>,
    ) -> Result<(), StorageError>;

    /// Records that pass the filter, after that place in the order asked for.
    async fn list(
        &self,
        workspace: &WorkspaceName,
        filter: &AuditFilter,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<StoredAuditRecord>, StorageError>;

    /// The place that the next record of a workspace's chain will have.
    async fn next_place(&self, workspace: &WorkspaceName) -> Result<AuditPlace, StorageError>;

    /// The workspaces that have a chain.
    async fn workspaces(&self) -> Result<Vec<WorkspaceName>, StorageError>;

    /// The last of the oldest records of a workspace that are all from before that time: sequence and hash.
    async fn last_before(
        &self,
        workspace: &WorkspaceName,
        time: Timestamp,
    ) -> Result<Option<(i64, String)>, StorageError>;

    /// Removes a workspace's records up to and with that one; answers how many.
    async fn remove_through(
        &self,
        workspace: &WorkspaceName,
        sequence: i64,
    ) -> Result<u64, StorageError>;

    /// Remembers how far a chain has come; one that has come further already stays.
    async fn anchor(&self, anchor: &AuditAnchor) -> Result<(), StorageError>;

    /// How far a chain had come when it was last seen.
    async fn anchor_of(&self, stream: &str) -> Result<Option<AuditAnchor>, StorageError>;
}
