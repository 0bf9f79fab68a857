//! Refresh claims and their outcomes at rest. Whoever changes a claim or what comes of it locks the connection first;
//! only heartbeats go without the lock.

mod claim;
mod commit;
mod failure;
mod orphans;
mod takeover;

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, Select,
    UpdateMany,
    sea_query::{Expr, ExprTrait, LockType},
};
use tokend_model::{
    ConnectionId, ConnectionStatus, Credential, Generation, SILENCE, WorkspaceName,
    ports::{
        Claim, ClaimOutcome, ClaimRequest, CommitOutcome, Orphan, RefreshFailure, Refreshes,
        Renewed, StorageError,
    },
};

use crate::{
    Storage,
    connect::clock,
    connections::locked::{find_readable_credential, lock_connection},
    entities::{connection, orphan, refresh_claim},
    faults::by_meaning,
};

/// Somebody is redeeming the refresh token.
pub(crate) const CLAIM_OPEN: &str = "OPEN";
/// It ended without a credential.
pub(crate) const CLAIM_CLOSED: &str = "CLOSED";
/// It ended with the credential that is there now.
pub(crate) const CLAIM_COMMITTED: &str = "COMMITTED";

#[async_trait]
impl Refreshes for Storage {
    async fn claim(&self, request: &ClaimRequest) -> Result<ClaimOutcome, StorageError> {
        let (storage, request) = (self.clone(), request.clone());
        self.transact(move |transaction| {
            Box::pin(async move { claim::claim(transaction, &storage, request).await })
        })
        .await
    }

    async fn heartbeat(
        &self,
        claim: &Claim,
        time_to_live: Option<Duration>,
    ) -> Result<bool, StorageError> {
        let now = || Expr::cust(clock(self.database.get_database_backend()));
        let mut beat = own(claim).col_expr(refresh_claim::Column::HeartbeatAt, now());
        if let Some(time_to_live) = time_to_live {
            let deadline = now().add(whole_milliseconds(time_to_live));
            beat = beat.col_expr(refresh_claim::Column::DeadlineAt, deadline);
        }
        let result = beat.exec(&self.database).await.map_err(by_meaning)?;
        if result.rows_affected != 1 {
            return Ok(false);
        }
        // Nobody need look before this beat is old, or before the new deadline.
        let missed = now().add(whole_milliseconds(time_to_live.unwrap_or(SILENCE)));
        connection::Entity::update_many()
            .col_expr(connection::Column::RenewalTime, missed.clone())
            .filter(connection::Column::Id.eq(claim.connection_id.as_str()))
            .filter(Expr::col(connection::Column::RenewalTime).lt(missed))
            .exec(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(true)
    }

    async fn commit(
        &self,
        claim: &Claim,
        renewed: &Renewed,
    ) -> Result<CommitOutcome, StorageError> {
        let (storage, claim, mut renewed) = (self.clone(), claim.clone(), renewed.clone());
        renewed.credential.generation = claim.base.next();
        self.transact(move |transaction| {
            Box::pin(async move { commit::commit(transaction, &storage, &claim, &renewed).await })
        })
        .await
    }

    async fn fail(&self, claim: &Claim, failure: &RefreshFailure) -> Result<(), StorageError> {
        let (storage, claim, failure) = (self.clone(), claim.clone(), failure.clone());
        self.transact(move |transaction| {
            Box::pin(
                async move { failure::fail(transaction, &storage.keyring, &claim, &failure).await },
            )
        })
        .await
    }

    async fn orphans(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Vec<Orphan>, StorageError> {
        let of_workspace =
            of_connection(id).filter(orphan::Column::Workspace.eq(workspace.as_str()));
        orphans::newest_first(&self.database, of_workspace, &self.keyring).await
    }

    async fn mark_tried(&self, claim: &Claim, orphan: &str) -> Result<(), StorageError> {
        orphan::Entity::update_many()
            .col_expr(orphan::Column::Tried, Expr::value(true))
            .filter(orphan::Column::Id.eq(orphan))
            .filter(orphan::Column::ConnectionId.eq(claim.connection_id.as_str()))
            .filter(orphan::Column::Workspace.eq(claim.workspace.as_str()))
            .exec(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(())
    }

    async fn previous_credential(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        before: Generation,
    ) -> Result<Option<Credential>, StorageError> {
        let key = (id.as_str().to_owned(), i64::from(before.0) - 1);
        find_readable_credential(&self.database, self, workspace.as_str(), key).await
    }
}

impl Storage {
    /// Removes the answers that came too late 30 days ago or before: until then a person may still want them. Answers
    /// how many went.
    pub async fn purge_orphans(&self) -> Result<u64, StorageError> {
        orphans::purge(&self.database).await
    }

    /// Removes the pauses of clients that are over; answers how many went.
    pub async fn purge_pauses(&self) -> Result<u64, StorageError> {
        failure::purge_pauses(&self.database).await
    }
}

/// A revoked connection has nothing left to redeem, though its generation stays.
fn can_refresh(row: &connection::Model, base: Generation) -> bool {
    row.generation == i64::from(base.0) && row.status != ConnectionStatus::Revoked.as_str()
}

/// Locks the connection a claim is on, if its generation is still the claim's.
async fn lock_claimed(
    transaction: &DatabaseTransaction,
    claim: &Claim,
) -> Result<Option<connection::Model>, StorageError> {
    let lock = LockType::NoKeyUpdate;
    let row = lock_connection(transaction, &claim.workspace, &claim.connection_id, lock).await?;
    Ok(row.filter(|row| can_refresh(row, claim.base)))
}

/// The claim's row while it is open and still has this epoch: the fence.
fn own(claim: &Claim) -> UpdateMany<refresh_claim::Entity> {
    refresh_claim::Entity::update_many()
        .filter(refresh_claim::Column::ConnectionId.eq(claim.connection_id.as_str()))
        .filter(refresh_claim::Column::Workspace.eq(claim.workspace.as_str()))
        .filter(refresh_claim::Column::Epoch.eq(claim.epoch))
        .filter(refresh_claim::Column::State.eq(CLAIM_OPEN))
}

fn of_connection(id: &ConnectionId) -> Select<orphan::Entity> {
    orphan::Entity::find().filter(orphan::Column::ConnectionId.eq(id.as_str()))
}

/// A duration as it is added to times at rest.
pub(crate) fn whole_milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
