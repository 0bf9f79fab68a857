//! What operators have stopped, at rest.

use async_trait::async_trait;

use super::StorageError;
use crate::{IntegrationTypeName, Timestamp, WorkspaceName};

/// What can be stopped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Suspendable {
    /// The caller of this name.
    Caller(String),
    /// An integration type, by its canonical name.
    IntegrationType(IntegrationTypeName),
    /// The whole workspace.
    Workspace,
}

/// Something that is to be stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSuspension {
    /// The workspace it is stopped in.
    pub workspace: WorkspaceName,
    /// What.
    pub subject: Suspendable,
    /// Why, in the operator's words.
    pub comment: String,
    /// The name of the caller that stops it.
    pub suspended_by: String,
}

/// Something that is stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// The workspace it is stopped in.
    pub workspace: WorkspaceName,
    /// What.
    pub subject: Suspendable,
    /// Why, in the operator's words.
    pub comment: String,
    /// The name of the caller that stopped it.
    pub suspended_by: String,
    /// Since when, on the database's clock.
    pub create_time: Timestamp,
}

/// What operators have stopped, at rest.
#[async_trait]
pub trait Suspensions: Send + Sync {
    /// Those of all workspaces: they are few, and are kept in memory to check calls without a statement.
    async fn all_suspensions(&self) -> Result<Vec<Suspension>, StorageError>;

    /// Those of a workspace, the newest first.
    async fn suspensions(&self, workspace: &WorkspaceName)
    -> Result<Vec<Suspension>, StorageError>;

    /// Stops something; answers what stops it now, which is an earlier suspension if there was one.
    async fn suspend(&self, new: &NewSuspension) -> Result<Suspension, StorageError>;

    /// Sets something going again; answers what stopped it until now. `None`: nothing did.
    async fn resume(
        &self,
        workspace: &WorkspaceName,
        subject: &Suspendable,
    ) -> Result<Option<Suspension>, StorageError>;
}
