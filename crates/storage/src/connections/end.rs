//! Ending a connection with all its tokens: removed, or kept on record as revoked.

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    sea_query::{Expr, LockType},
};
use tokend_model::{
    Connection, ConnectionId, ConnectionStatus, Credential, WorkspaceName,
    ports::{ChangedSubject, Ended, StorageError},
};

use super::{
    connect::find_usage,
    ended_time,
    locked::{close_claims, delete_credentials, readable_credential},
    row::read_connection,
    siblings::lock_all,
    tags,
};
use crate::{
    Storage,
    changes::announce,
    entities::connection::{Column, Entity, Model},
    faults::by_meaning,
};

/// Removes them with everything sealed for them.
pub(super) async fn delete(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    workspace: &WorkspaceName,
    id: &ConnectionId,
) -> Result<Ended, StorageError> {
    let mut ended = Ended::new();
    for row in lock_all(transaction, workspace, id, LockType::Update).await? {
        let (connection, credential) = with_credential(transaction, storage, row).await?;
        let subject = ChangedSubject::Connection(connection.id.clone());
        announce(transaction, workspace, &subject).await?;
        Entity::delete_by_id(connection.id.as_str())
            .exec(transaction)
            .await
            .map_err(by_meaning)?;
        ended.push((connection, credential));
    }
    Ok(ended)
}

/// Keeps them without their secrets.
pub(super) async fn revoke(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    workspace: &WorkspaceName,
    id: &ConnectionId,
    reason: &str,
) -> Result<Ended, StorageError> {
    let mut ended = Ended::new();
    for row in lock_all(transaction, workspace, id, LockType::NoKeyUpdate).await? {
        ended.push(revoke_locked(transaction, storage, row, reason).await?);
    }
    Ok(ended)
}

/// The same for one locked connection; answers its last credential.
pub(super) async fn revoke_locked(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    row: Model,
    reason: &str,
) -> Result<(Connection, Option<Credential>), StorageError> {
    let (mut connection, credential) = with_credential(transaction, storage, row).await?;
    let id = connection.id.as_str();
    Entity::update_many()
        .col_expr(
            Column::Status,
            Expr::value(ConnectionStatus::Revoked.as_str()),
        )
        .col_expr(Column::StatusReason, Expr::value(reason))
        .col_expr(Column::RenewalTime, Expr::value(None::<i64>))
        .col_expr(Column::EndedTime, ended_time(transaction))
        .filter(Column::Id.eq(id))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    close_claims(transaction, id).await?;
    delete_credentials(transaction, id).await?;
    let subject = ChangedSubject::Connection(connection.id.clone());
    announce(transaction, &connection.workspace, &subject).await?;
    connection.status = ConnectionStatus::Revoked;
    connection.status_reason = reason.to_owned();
    connection.renewal_time = None;
    Ok((connection, credential))
}

/// A locked connection as it was, with its credential if that can be read.
async fn with_credential(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    row: Model,
) -> Result<(Connection, Option<Credential>), StorageError> {
    let credential = readable_credential(transaction, storage, &row).await?;
    let usage = find_usage(transaction, &row.id).await?;
    let tags = tags::of_one(transaction, &row.id).await?;
    Ok((read_connection(row, usage, tags)?, credential))
}
