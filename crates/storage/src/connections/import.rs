//! Storing a grant from elsewhere, unless the owner's connection has it already.

use sea_orm::DatabaseTransaction;
use tokend_model::{
    ConnectionStatus, Timestamp,
    ports::{Imported, NewConnection, StorageError},
};

use super::{
    connect::{MAIN, find_usage, lock_existing, store},
    locked::{find_readable_credential, readable_credential},
    row::read_connection,
    tags,
};
use crate::{Storage, entities::connection};

/// Does it all inside one transaction: an attempt that is under way commits before it or after it.
pub(crate) async fn import(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    new: &NewConnection,
    now: Timestamp,
) -> Result<Imported, StorageError> {
    let existing = lock_existing(transaction, new).await?;
    match existing {
        Some(row) if holds(transaction, storage, &row, new).await? => held(transaction, row).await,
        existing => store(transaction, storage, new, MAIN, existing, now)
            .await
            .map(Imported::Stored),
    }
}

/// A connection that has the grant already.
pub(super) async fn held(
    transaction: &DatabaseTransaction,
    row: connection::Model,
) -> Result<Imported, StorageError> {
    let usage = find_usage(transaction, &row.id).await?;
    let tags = tags::of_one(transaction, &row.id).await?;
    read_connection(row, usage, tags).map(Imported::Held)
}

/// Whether the given refresh token is the connection's own, or what its own was got for. What can no longer be opened
/// may be replaced.
pub(super) async fn holds(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    row: &connection::Model,
    new: &NewConnection,
) -> Result<bool, StorageError> {
    let Some(given) = &new.answer.refresh_token else {
        return Ok(false);
    };
    let Some(present) = readable_credential(transaction, storage, row).await? else {
        return Ok(false);
    };
    if present.refresh_token.as_ref() == Some(given) {
        return Ok(true);
    }
    // Where the successor is dead the one before is worth a try.
    let lives = [ConnectionStatus::Authorized, ConnectionStatus::Expired];
    if !lives.iter().any(|status| row.status == status.as_str()) {
        return Ok(false);
    }
    let before = (row.id.clone(), row.generation.saturating_sub(1));
    let previous = find_readable_credential(transaction, storage, &row.workspace, before).await?;
    Ok(previous.is_some_and(|previous| previous.refresh_token.as_ref() == Some(given)))
}
