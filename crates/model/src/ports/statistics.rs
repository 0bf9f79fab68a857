//! How much there is, for operators.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::StorageError;
use crate::{ConnectionStatus, IntegrationTypeName, Timestamp, WorkspaceName};

/// What there is in a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connectors by their integration type.
    pub connectors: BTreeMap<IntegrationTypeName, u64>,
    /// Connections, for each integration type and status there are any of.
    pub connections: Vec<ConnectionCount>,
    /// App users with a connection.
    pub app_users: u64,
    /// The same by integration type.
    pub app_users_by_type: BTreeMap<IntegrationTypeName, u64>,
    /// The same by category.
    pub app_users_by_category: BTreeMap<String, u64>,
}

/// The connections of one integration type in one status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionCount {
    /// Their integration type.
    pub integration_type: IntegrationTypeName,
    /// Their status.
    pub status: ConnectionStatus,
    /// How many.
    pub connections: u64,
    /// How often a token of theirs was handed out.
    pub uses: i64,
    /// When the last one was.
    pub last_use_time: Option<Timestamp>,
}

/// Counting what is at rest.
#[async_trait]
pub trait Statistics: Send + Sync {
    /// Counts a workspace's connectors and connections, or one integration type's, in as many statements whatever
    /// there is. `categories` says which integration types count together.
    async fn count(
        &self,
        workspace: &WorkspaceName,
        only: Option<&IntegrationTypeName>,
        categories: &BTreeMap<IntegrationTypeName, String>,
    ) -> Result<Counts, StorageError>;
}
