//! What no simulated run asks: figures, clearing away, grants that are verified, and revoking in bulk.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use tokend_model::{
    Authorization, BulkRevocationId, Connection, ConnectionId, IntegrationTypeName, Owner,
    Timestamp, TokenAnswer, WorkspaceName,
    ports::{
        BulkRevocation, BulkRevocations, Counts, Housekeeping, Imported, NewBulkRevocation,
        NewConnection, Progress, Report, StagedImports, Statistics, StorageError,
    },
};

use super::Database;

#[async_trait]
impl StagedImports for Database {
    async fn stage(&self, _new: &NewConnection, _now: Timestamp) -> Result<Imported, StorageError> {
        Err(StorageError::Changed)
    }

    async fn promote(
        &self,
        _staged: &ConnectionId,
        _new: &NewConnection,
        _now: Timestamp,
    ) -> Result<Option<Connection>, StorageError> {
        Ok(None)
    }

    async fn discard(
        &self,
        _workspace: &WorkspaceName,
        _staged: &ConnectionId,
    ) -> Result<(), StorageError> {
        Ok(())
    }
}

#[async_trait]
impl Housekeeping for Database {
    async fn set_tags(
        &self,
        _workspace: &WorkspaceName,
        _id: &ConnectionId,
        _tags: &BTreeMap<String, String>,
    ) -> Result<Option<Connection>, StorageError> {
        Ok(None)
    }

    async fn authorizations_of(
        &self,
        _workspace: &WorkspaceName,
        _owner: &Owner,
    ) -> Result<Vec<Authorization>, StorageError> {
        Ok(Vec::new())
    }

    async fn erase_authorizations(
        &self,
        _workspace: &WorkspaceName,
        _owner: &Owner,
    ) -> Result<Vec<(Authorization, Option<TokenAnswer>)>, StorageError> {
        Ok(Vec::new())
    }

    async fn reap_connections(
        &self,
        _workspace: &WorkspaceName,
        _dead_for: Duration,
        _limit: u64,
        _dry_run: bool,
    ) -> Result<Vec<Connection>, StorageError> {
        Ok(Vec::new())
    }

    async fn reap_authorizations(
        &self,
        _workspace: &WorkspaceName,
        _now: Timestamp,
        _limit: u64,
        _dry_run: bool,
    ) -> Result<u64, StorageError> {
        Ok(0)
    }
}

#[async_trait]
impl Statistics for Database {
    async fn count(
        &self,
        _workspace: &WorkspaceName,
        _only: Option<&IntegrationTypeName>,
        _categories: &BTreeMap<IntegrationTypeName, String>,
    ) -> Result<Counts, StorageError> {
        Ok(Counts::default())
    }
}

#[async_trait]
impl BulkRevocations for Database {
    async fn start_bulk_revocation(
        &self,
        _new: &NewBulkRevocation,
    ) -> Result<BulkRevocation, StorageError> {
        Err(StorageError::Changed)
    }

    async fn bulk_revocation(
        &self,
        _workspace: &WorkspaceName,
        _id: &BulkRevocationId,
    ) -> Result<Option<BulkRevocation>, StorageError> {
        Ok(None)
    }

    async fn bulk_revocations(
        &self,
        _workspace: &WorkspaceName,
        _limit: u64,
    ) -> Result<Vec<BulkRevocation>, StorageError> {
        Ok(Vec::new())
    }

    async fn cancel_bulk_revocation(
        &self,
        _workspace: &WorkspaceName,
        _id: &BulkRevocationId,
    ) -> Result<Option<BulkRevocation>, StorageError> {
        Ok(None)
    }

    async fn take_bulk_revocation(
        &self,
        _holder: &str,
        _lease: Duration,
    ) -> Result<Option<BulkRevocation>, StorageError> {
        Ok(None)
    }

    async fn yet_to_revoke(
        &self,
        _job: &BulkRevocation,
        _after: Option<&ConnectionId>,
        _limit: u64,
    ) -> Result<Vec<ConnectionId>, StorageError> {
        Ok(Vec::new())
    }

    async fn report_bulk_revocation(
        &self,
        _job: &BulkRevocation,
        _holder: &str,
        _report: Report,
        _progress: Progress,
    ) -> Result<Option<BulkRevocation>, StorageError> {
        Ok(None)
    }
}
