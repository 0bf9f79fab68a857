//! Committing a refresh: the one place where a connection gets its next generation.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    sea_query::LockType,
};
use tokend_model::{
    ConnectionStatus, Credential,
    ports::{Claim, StorageError},
};

use super::{CLAIM_COMMITTED, close, lock_claimed};
use crate::{
    Storage,
    columns::{expiry_columns, list_text},
    connections::{
        locked::{lock_connection, present_credential},
        row::write_credential,
    },
    entities::{connection, credential, refresh_claim},
    faults::by_meaning,
};

/// Compare-and-swap on generation and epoch; the generation before stays as a fallback, older ones go.
pub(crate) async fn commit(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    claim: &Claim,
    credential: &Credential,
) -> Result<bool, StorageError> {
    if lock_claimed(transaction, claim).await?.is_none() {
        return is_committed(transaction, storage, claim, credential).await;
    }
    if !close(transaction, claim, CLAIM_COMMITTED).await? {
        return Ok(false);
    }
    let id = claim.connection_id.as_str();
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

/// Whether this very credential was committed by this very claim before: a commit whose answer was lost is
/// tried again, and must then be told that it succeeded.
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
        .filter(refresh_claim::Column::Epoch.eq(claim.epoch))
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
