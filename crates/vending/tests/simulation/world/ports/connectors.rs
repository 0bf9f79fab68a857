//! Connectors over the wire, and what no simulated run has: definitions and authorizations.

use async_trait::async_trait;
use tokend_model::{
    Authorization, AuthorizationId, AuthorizationState, Completion, Connector, ConnectorChange,
    ConnectorId, IntegrationTypeName, Label, Owner, PendingCode, PendingDevice, TicketUse,
    Timestamp, TokenAnswer, WorkspaceName,
    ports::{Authorizations, Connectors, IntegrationOverrides, Page, ReturnedState, StorageError},
};

use super::Database;

#[async_trait]
impl Connectors for Database {
    async fn get(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectorId,
    ) -> Result<Option<Connector>, StorageError> {
        self.0
            .statement("connector", |tables, _| {
                let mut all = tables.connectors.iter();
                all.find(|connector| connector.workspace == *workspace && connector.id == *id)
                    .cloned()
            })
            .await
    }

    async fn get_shared(
        &self,
        _workspace: &WorkspaceName,
        _integration_type: &IntegrationTypeName,
    ) -> Result<Option<Connector>, StorageError> {
        Ok(None)
    }

    async fn list(
        &self,
        _workspace: &WorkspaceName,
        _page: &Page,
    ) -> Result<Vec<Connector>, StorageError> {
        self.0
            .statement("connectors", |tables, _| tables.connectors.clone())
            .await
    }

    async fn apply(
        &self,
        _workspace: &WorkspaceName,
        _changes: &[ConnectorChange],
        _definitions: &[(IntegrationTypeName, String)],
        _now: Timestamp,
    ) -> Result<(), StorageError> {
        Err(StorageError::Changed)
    }
}

#[async_trait]
impl IntegrationOverrides for Database {
    async fn list(
        &self,
    ) -> Result<Vec<(WorkspaceName, IntegrationTypeName, String)>, StorageError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Authorizations for Database {
    async fn insert(
        &self,
        _authorization: &Authorization,
        _ticket_hash: &[u8],
        _completion_hash: Option<&[u8]>,
    ) -> Result<(), StorageError> {
        Err(StorageError::Exists)
    }

    async fn insert_device(
        &self,
        _authorization: &Authorization,
        _completion_hash: &[u8],
        _device: &PendingDevice,
    ) -> Result<(), StorageError> {
        Err(StorageError::Exists)
    }

    async fn get(
        &self,
        _workspace: &WorkspaceName,
        _id: &AuthorizationId,
    ) -> Result<Option<Authorization>, StorageError> {
        Ok(None)
    }

    async fn find_by_ticket(
        &self,
        _ticket_hash: &[u8],
    ) -> Result<Option<Authorization>, StorageError> {
        Ok(None)
    }

    async fn begin_consent(
        &self,
        _workspace: &WorkspaceName,
        _id: &AuthorizationId,
        _ticket_use: &TicketUse,
    ) -> Result<bool, StorageError> {
        Ok(false)
    }

    async fn take_state(&self, _state_hash: &[u8]) -> Result<Option<ReturnedState>, StorageError> {
        Ok(None)
    }

    async fn store_code(
        &self,
        _workspace: &WorkspaceName,
        _id: &AuthorizationId,
        _pending: &PendingCode,
    ) -> Result<Option<bool>, StorageError> {
        Ok(None)
    }

    async fn begin_completion(
        &self,
        _workspace: &WorkspaceName,
        _id: &AuthorizationId,
        _completion_hash: &[u8],
    ) -> Result<Option<Completion>, StorageError> {
        Ok(None)
    }

    async fn advance(
        &self,
        _workspace: &WorkspaceName,
        _id: &AuthorizationId,
        _state: AuthorizationState,
        _reason: &str,
    ) -> Result<(), StorageError> {
        Ok(())
    }

    async fn put_off(
        &self,
        _workspace: &WorkspaceName,
        _id: &AuthorizationId,
        _device: &PendingDevice,
    ) -> Result<(), StorageError> {
        Ok(())
    }

    async fn hold(
        &self,
        _workspace: &WorkspaceName,
        _id: &AuthorizationId,
        _answer: &TokenAnswer,
        _reason: &str,
    ) -> Result<(), StorageError> {
        Ok(())
    }

    async fn abandoned(
        &self,
        _deadline: Timestamp,
        _limit: u64,
    ) -> Result<Vec<(Authorization, TokenAnswer)>, StorageError> {
        Ok(Vec::new())
    }

    async fn expire(&self, _deadline: Timestamp, _reason: &str) -> Result<u64, StorageError> {
        Ok(0)
    }

    async fn find_open(
        &self,
        _workspace: &WorkspaceName,
        _connector_id: &ConnectorId,
        _owner: &Owner,
        _label: &Label,
        _now: Timestamp,
    ) -> Result<Option<Authorization>, StorageError> {
        self.0.statement("open authorization", |_, _| None).await
    }
}
