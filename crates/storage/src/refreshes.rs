//! Refresh claims and their outcomes at rest.

mod commit;

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
    sea_query::{Expr, LockType},
};
use tokend_model::{
    ConnectionId, ConnectionStatus, Credential, Generation, WorkspaceName,
    ports::{Claim, ClaimOutcome, RefreshFailure, Refreshes, StorageError},
};

use crate::{
    Storage,
    columns::milliseconds,
    connections::locked::lock_connection,
    database_clock,
    entities::{connection, refresh_claim},
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
    async fn claim(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        base: Generation,
        holder: &str,
        time_to_live: Duration,
    ) -> Result<ClaimOutcome, StorageError> {
        let (workspace, id, holder) = (workspace.clone(), id.clone(), holder.to_owned());
        let time_to_live = i64::try_from(time_to_live.as_millis()).unwrap_or(i64::MAX);
        self.transact(move |transaction| {
            Box::pin(async move {
                let lock = LockType::NoKeyUpdate;
                let current = lock_connection(transaction, &workspace, &id, lock).await?;
                if !current.is_some_and(|row| can_refresh(&row, base)) {
                    return Ok(ClaimOutcome::Moved);
                }
                let earlier = lock_claim(transaction, &id).await?;
                // Read under the lock: waiting for it must not use up anybody's time.
                let now = database_clock::read(transaction).await?;
                if let Some(held) = earlier.as_ref().and_then(|row| remaining(row, now)) {
                    return Ok(ClaimOutcome::Held(held));
                }
                let claim = Claim {
                    workspace,
                    connection_id: id,
                    epoch: earlier
                        .as_ref()
                        .map_or(1, |row| row.epoch.saturating_add(1)),
                    base,
                };
                let row = refresh_claim::Model {
                    connection_id: claim.connection_id.as_str().to_owned(),
                    workspace: claim.workspace.as_str().to_owned(),
                    epoch: claim.epoch,
                    holder,
                    base_generation: i64::from(base.0),
                    started_at: now,
                    heartbeat_at: now,
                    deadline_at: now.saturating_add(time_to_live),
                    state: CLAIM_OPEN.to_owned(),
                };
                write_claim(transaction, row, earlier.is_some()).await?;
                Ok(ClaimOutcome::Claimed(claim))
            })
        })
        .await
    }

    async fn commit(&self, claim: &Claim, credential: &Credential) -> Result<bool, StorageError> {
        let (storage, claim) = (self.clone(), claim.clone());
        let credential = Credential {
            generation: claim.base.next(),
            ..credential.clone()
        };
        self.transact(move |transaction| {
            Box::pin(
                async move { commit::commit(transaction, &storage, &claim, &credential).await },
            )
        })
        .await
    }

    async fn fail(&self, claim: &Claim, failure: &RefreshFailure) -> Result<(), StorageError> {
        let (claim, failure) = (claim.clone(), failure.clone());
        self.transact(move |transaction| {
            Box::pin(async move {
                if lock_claimed(transaction, &claim).await?.is_none()
                    || !close(transaction, &claim).await?
                {
                    return Ok(());
                }
                record_failure(transaction, &claim, &failure).await
            })
        })
        .await
    }
}

/// A revoked connection has nothing left to redeem, though its generation stays.
fn can_refresh(row: &connection::Model, base: Generation) -> bool {
    row.generation == i64::from(base.0) && row.status != ConnectionStatus::Revoked.as_str()
}

/// How long a claim is still its holder's; `None` if it may be taken.
fn remaining(row: &refresh_claim::Model, now: i64) -> Option<Duration> {
    if row.state != CLAIM_OPEN {
        return None;
    }
    u64::try_from(row.deadline_at.saturating_sub(now))
        .ok()
        .filter(|&left| left > 0)
        .map(Duration::from_millis)
}

async fn lock_claim(
    transaction: &DatabaseTransaction,
    id: &ConnectionId,
) -> Result<Option<refresh_claim::Model>, StorageError> {
    refresh_claim::Entity::find_by_id(id.as_str())
        .lock(LockType::NoKeyUpdate)
        .one(transaction)
        .await
        .map_err(by_meaning)
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

async fn write_claim(
    transaction: &DatabaseTransaction,
    row: refresh_claim::Model,
    replace: bool,
) -> Result<(), StorageError> {
    if !replace {
        refresh_claim::Entity::insert(row.into_active_model())
            .exec_without_returning(transaction)
            .await
            .map_err(by_meaning)?;
        return Ok(());
    }
    let mut change = row.into_active_model().reset_all();
    let id = change.connection_id.take().unwrap_or_default();
    refresh_claim::Entity::update_many()
        .set(change)
        .filter(refresh_claim::Column::ConnectionId.eq(id))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}

/// Closes the claim if it is open and still has this epoch: the fence.
async fn close(transaction: &DatabaseTransaction, claim: &Claim) -> Result<bool, StorageError> {
    let result = refresh_claim::Entity::update_many()
        .col_expr(refresh_claim::Column::State, Expr::value(CLAIM_CLOSED))
        .filter(refresh_claim::Column::ConnectionId.eq(claim.connection_id.as_str()))
        .filter(refresh_claim::Column::Workspace.eq(claim.workspace.as_str()))
        .filter(refresh_claim::Column::Epoch.eq(claim.epoch))
        .filter(refresh_claim::Column::State.eq(CLAIM_OPEN))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(result.rows_affected == 1)
}

async fn record_failure(
    transaction: &DatabaseTransaction,
    claim: &Claim,
    failure: &RefreshFailure,
) -> Result<(), StorageError> {
    let health = &failure.health;
    let change = connection::ActiveModel {
        status: Set(failure.status.as_str().to_owned()),
        status_reason: Set(failure.status_reason.clone()),
        consecutive_failures: Set(i64::from(health.consecutive_failures)),
        last_failure: Set(health.last_failure.clone()),
        retry_time: Set(milliseconds(health.retry_time)),
        accused_time: Set(milliseconds(health.accused_time)),
        ..Default::default()
    };
    connection::Entity::update_many()
        .set(change)
        .filter(connection::Column::Id.eq(claim.connection_id.as_str()))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}
