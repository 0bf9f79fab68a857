//! Committing a refresh: the one place where a connection gets its next generation.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    sea_query::{Expr, LockType},
};
use tokend_model::{
    ConnectionStatus, Credential,
    ports::{Claim, StorageError},
};

use super::{CLAIM_COMMITTED, lock_claim, lock_claimed, remaining};
use crate::{
    Storage,
    columns::{expiry_columns, list_text},
    connections::{
        locked::{lock_connection, present_credential},
        row::write_credential,
    },
    database_clock,
    entities::{connection, credential, refresh_claim},
    faults::by_meaning,
};

/// Compare-and-swap on the generation, fenced by live claims; the generation before stays as a fallback, older
/// ones go.
pub(crate) async fn commit(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    claim: &Claim,
    credential: &Credential,
) -> Result<bool, StorageError> {
    if lock_claimed(transaction, claim).await?.is_none() {
        return is_committed(transaction, storage, claim, credential).await;
    }
    let Some(present) = lock_claim(transaction, &claim.connection_id).await? else {
        return Ok(false);
    };
    let now = database_clock::read(transaction).await?;
    if !may_commit(&present, claim, now) {
        return Ok(false);
    }
    let id = claim.connection_id.as_str();
    set_committed(transaction, id).await?;
    let sealed = write_credential(&claim.workspace, id, credential, &storage.keyring)?;
    credential::Entity::insert(sealed.into_active_model())
        .exec_without_returning(transaction)
        .await
        .map_err(by_meaning)?;
    credential::Entity::delete_many()
        .filter(credential::Column::ConnectionId.eq(id))
        .filter(credential::Column::Generation.lt(i64::from(claim.base.0)))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    connection::Entity::update_many()
        .set(renewed(credential))
        .filter(connection::Column::Id.eq(id))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(true)
}

/// Whether an answer for the present generation may still be stored. Nobody took its claim over: yes, deadline or
/// not. Somebody did and brought nothing, or died over it: yes, since this answer may hold the only refresh token
/// that is alive. Somebody is still at it: no, theirs is the later answer.
fn may_commit(present: &refresh_claim::Model, claim: &Claim, now: i64) -> bool {
    let own = present.epoch == claim.epoch;
    present.state != CLAIM_COMMITTED && (own || remaining(present, now).is_none())
}

/// From here on whoever holds the claim comes too late.
async fn set_committed(
    transaction: &DatabaseTransaction,
    connection_id: &str,
) -> Result<(), StorageError> {
    refresh_claim::Entity::update_many()
        .col_expr(refresh_claim::Column::State, Expr::value(CLAIM_COMMITTED))
        .filter(refresh_claim::Column::ConnectionId.eq(connection_id))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}

fn renewed(credential: &Credential) -> connection::ActiveModel {
    let (expiry, expire_time) = expiry_columns(credential.expiry);
    connection::ActiveModel {
        generation: Set(i64::from(credential.generation.0)),
        status: Set(ConnectionStatus::Authorized.as_str().to_owned()),
        status_reason: Set(String::new()),
        scopes: Set(list_text(&credential.scopes)),
        expiry: Set(expiry.to_owned()),
        expire_time: Set(expire_time),
        consecutive_failures: Set(0),
        last_failure: Set(None),
        retry_time: Set(None),
        accused_time: Set(None),
        refresh_time: Set(credential.receive_time.timestamp_millis()),
        ..Default::default()
    }
}

/// Whether this very credential was committed before: a commit whose answer was lost is tried again, and must then
/// be told that it succeeded.
async fn is_committed(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    claim: &Claim,
    credential: &Credential,
) -> Result<bool, StorageError> {
    let lock = LockType::NoKeyUpdate;
    let row = lock_connection(transaction, &claim.workspace, &claim.connection_id, lock).await?;
    let Some(row) = row.filter(|row| row.generation == i64::from(credential.generation.0)) else {
        return Ok(false);
    };
    let committed = refresh_claim::Entity::find_by_id(claim.connection_id.as_str())
        .filter(refresh_claim::Column::State.eq(CLAIM_COMMITTED))
        .one(transaction)
        .await
        .map_err(by_meaning)?;
    if committed.is_none() {
        return Ok(false);
    }
    let stored = present_credential(transaction, storage, &row).await?;
    Ok(stored.is_some_and(|stored| stored.access_token == credential.access_token))
}
