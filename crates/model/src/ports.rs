//! The seams between the use cases and the outside: one small trait each, filled by the composition root.
//!
//! Every method that names rows takes their workspace, and no method returns rows of another.

mod api_keys;
mod audit_trail;
mod authorization_server;
mod authorizations;
mod bulk_revocations;
mod catalogue;
mod changes;
mod connections;
mod connectors;
mod deployments;
mod housekeeping;
mod journal;
mod refreshes;
mod renewals;
mod staged_imports;
mod statistics;
mod suspensions;

use crate::Timestamp;

pub use api_keys::{ApiKeyRecord, ApiKeys, CallerRole};
pub use audit_trail::{
    AuditAnchor, AuditFilter, AuditPlace, AuditSeal, AuditTrail, SealedAuditRecord,
    StoredAuditRecord,
};
pub use authorization_server::{
    AuthorizationServer, AuthorizeUrl, DeviceAnswer, DeviceAuthorization, DiscoveryFailure,
    Identified, InvalidRegistration, Registration, UnusableRegistration,
};
pub use authorizations::{Authorizations, ReturnedState};
pub use bulk_revocations::{
    BulkRevocation, BulkRevocationState, BulkRevocations, NewBulkRevocation, Progress, Report,
};
pub use catalogue::{Catalogue, InvalidDefinition};
pub use changes::{Change, ChangedSubject, Changes, ChangesSeen};
pub use connections::{Connections, Ended, Imported, KeptGeneration, NewConnection, NewSibling};
pub use connectors::{Connectors, IntegrationOverrides};
pub use deployments::{Deployment, DeploymentGuard, Deployments};
pub use housekeeping::Housekeeping;
pub use journal::{Journal, JournalError, JournalPage, JournaledAnswer};
pub use refreshes::{
    Claim, ClaimOutcome, ClaimRequest, Claimed, ClientRegistration, CommitOutcome, Holder, Orphan,
    RefreshFailure, Refreshes, Renewed,
};
pub use renewals::{DueRenewal, Renewals, Share};
pub use staged_imports::StagedImports;
pub use statistics::{ConnectionCount, Counts, Statistics};
pub use suspensions::{NewSuspension, Suspendable, Suspension, Suspensions};

/// Tells the time; the real one lives at the edge.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Timestamp;
}

/// Chance, for spreading what would otherwise happen at once; the real one lives at the edge. Nothing secret is made
/// of it.
pub trait Chance: Send + Sync {
    /// A number in 0..1.
    fn roll(&self) -> f64;
}

/// What storage may answer instead of a result. The driver's words stay in the source, for the log.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The database cannot be reached or is too busy; asking again later helps.
    #[error("the database is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something with that identity is there already.
    #[error("it exists already")]
    Exists,
    /// The row changed since it was read, or is gone.
    #[error("it was changed by somebody else")]
    Changed,
    /// What was to be removed has connections that would go with it.
    #[error("connections rest on it: {connections}")]
    InUse {
        /// How many.
        connections: u64,
    },
    /// A row cannot be read: its sealed value does not open, or a value is not of its kind.
    #[error("{what} cannot be read: {why}")]
    Corrupt {
        /// The table and column.
        what: &'static str,
        /// The reason, without the value.
        why: String,
    },
}

/// A part of a listing that is ordered by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Only rows whose id comes after this one.
    pub after: Option<String>,
    /// At most this many rows.
    pub limit: u64,
}
