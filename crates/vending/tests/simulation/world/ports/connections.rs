//! Connections, what is due, and what changed, over the wire.

use std::time::Duration;

use async_trait::async_trait;
use tokend_model::{
    Account, Connection, ConnectionFilter, ConnectionId, ConnectionUse, ConnectorId, Credential,
    Label, Owner, Timestamp, WorkspaceName,
    ports::{
        Changes, ChangesSeen, Connections, DueRenewal, Ended, Imported, KeptGeneration,
        NewConnection, Page, Renewals, Share, StorageError,
    },
};

use super::Database;

type Found = Option<(Connection, Option<Credential>)>;

#[async_trait]
impl Connections for Database {
    async fn find(
        &self,
        workspace: &WorkspaceName,
        connector_id: &ConnectorId,
        owner: &Owner,
        label: &Label,
        _token: &str,
    ) -> Result<Found, StorageError> {
        self.0
            .statement("find", |tables, _| {
                tables.find(workspace, connector_id, owner, label)
            })
            .await
    }

    async fn get(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Found, StorageError> {
        self.0
            .statement("get", |tables, _| tables.get(workspace, id))
            .await
    }

    async fn describe(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Option<Connection>, StorageError> {
        Ok(self.get(workspace, id).await?.map(|(found, _)| found))
    }

    async fn locate(
        &self,
        workspace: &WorkspaceName,
        connector_id: &ConnectorId,
        owner: &Owner,
        label: &Label,
    ) -> Result<Option<Connection>, StorageError> {
        let found = self.find(workspace, connector_id, owner, label, "").await?;
        Ok(found.map(|(connection, _)| connection))
    }

    async fn generations(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Vec<KeptGeneration>, StorageError> {
        self.0
            .statement("generations", |tables, _| tables.generations(workspace, id))
            .await
    }

    async fn list(
        &self,
        workspace: &WorkspaceName,
        _filter: &ConnectionFilter,
        _page: &Page,
    ) -> Result<Vec<Connection>, StorageError> {
        self.0
            .statement("list", |tables, _| {
                let rows = tables.rows.values().map(|row| &row.connection);
                rows.filter(|connection| connection.workspace == *workspace)
                    .cloned()
                    .collect()
            })
            .await
    }

    async fn connect(
        &self,
        new: &NewConnection,
        now: Timestamp,
    ) -> Result<Connection, StorageError> {
        self.0
            .statement("connect", |tables, _| tables.connect(new, now))
            .await
    }

    async fn import(&self, new: &NewConnection, now: Timestamp) -> Result<Imported, StorageError> {
        self.0
            .statement("import", |tables, _| tables.import(new, now))
            .await
    }

    async fn delete(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Ended, StorageError> {
        let world = &self.0.world;
        let deleted = self
            .0
            .statement("delete", |tables, now| {
                let deleted = tables.delete(workspace, id, now);
                if !deleted.is_empty() {
                    world.note_deleted(id, now);
                }
                deleted
            })
            .await;
        world.bell.notify_waiters();
        deleted
    }

    async fn revoke(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        reason: &str,
    ) -> Result<Ended, StorageError> {
        let revoked = self
            .0
            .statement("revoke", |tables, now| {
                tables.revoke(workspace, id, reason, now)
            })
            .await;
        self.0.world.bell.notify_waiters();
        revoked
    }

    async fn set_account(
        &self,
        _workspace: &WorkspaceName,
        _id: &ConnectionId,
        _account: &Account,
    ) -> Result<(), StorageError> {
        Ok(())
    }

    async fn record_uses(&self, uses: &[ConnectionUse]) -> Result<(), StorageError> {
        self.0
            .statement("record uses", |tables, _| tables.record_uses(uses))
            .await
    }

    async fn database_time(&self) -> Result<Timestamp, StorageError> {
        self.0.statement("time", |_, now| now).await
    }
}

#[async_trait]
impl Renewals for Database {
    async fn take_due(
        &self,
        share: Share,
        enough: &[WorkspaceName],
    ) -> Result<Vec<DueRenewal>, StorageError> {
        let world = &self.0.world;
        let (replica, number) = (self.0.process.replica, self.0.process.number);
        self.0
            .statement("take due", |tables, now| {
                let taken = tables.take_due(share, enough, now);
                for due in &taken {
                    world.trace.write(|| {
                        let id = &due.connection_id;
                        format!(
                            "r{replica}/{number} takes {id}, due again at {}",
                            due.next_time
                        )
                    });
                }
                taken
            })
            .await
    }

    async fn put_off(&self, taken: &DueRenewal, wait: Duration) -> Result<(), StorageError> {
        self.0
            .statement("put off", |tables, now| tables.put_off(taken, wait, now))
            .await
    }
}

#[async_trait]
impl Changes for Database {
    async fn since(&self, moment: Option<Timestamp>) -> Result<ChangesSeen, StorageError> {
        self.0
            .statement("changes", |tables, now| tables.changes_since(moment, now))
            .await
    }

    async fn announced(&self) {
        self.0.world.bell.notified().await;
        self.0.process.runs().await;
    }

    async fn forget_old(&self) -> Result<u64, StorageError> {
        Ok(0)
    }
}
