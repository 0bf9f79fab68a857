//! Connectors and integration types at rest.

use async_trait::async_trait;

use super::{Page, StorageError};
use crate::{
    Connector, ConnectorChange, ConnectorId, IntegrationTypeName, Timestamp, WorkspaceName,
};

/// Connectors at rest.
#[async_trait]
pub trait Connectors: Send + Sync {
    /// One connector.
    async fn get(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectorId,
    ) -> Result<Option<Connector>, StorageError>;

    /// The shared connector of an integration type.
    async fn get_shared(
        &self,
        workspace: &WorkspaceName,
        integration_type: &IntegrationTypeName,
    ) -> Result<Option<Connector>, StorageError>;

    /// Connectors by id.
    async fn list(
        &self,
        workspace: &WorkspaceName,
        page: &Page,
    ) -> Result<Vec<Connector>, StorageError>;

    /// Carries out all changes in one transaction, and adds or replaces the integration types (TOML) they use in
    /// the same. A `Create` of an id, or of a second shared connector of one type, is [`StorageError::Exists`]; an
    /// `Update` whose `version` is not the stored one, or a `Delete` of nothing, is [`StorageError::Changed`]; a
    /// `Delete` of connectors that have connections, revoked ones included, is [`StorageError::InUse`] with the
    /// number of all of them. An update stores `version + 1`.
    async fn apply(
        &self,
        workspace: &WorkspaceName,
        changes: &[ConnectorChange],
        definitions: &[(IntegrationTypeName, String)],
        now: Timestamp,
    ) -> Result<(), StorageError>;
}

/// Integration types defined by this installation, written by [`Connectors::apply`].
#[async_trait]
pub trait IntegrationOverrides: Send + Sync {
    /// The definitions of all workspaces: workspace, name and TOML text.
    async fn list(&self)
    -> Result<Vec<(WorkspaceName, IntegrationTypeName, String)>, StorageError>;
}
