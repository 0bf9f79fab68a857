//! A connection inside a transaction, locked against other writers. Locks are taken in one order everywhere:
//! connector, connection, then what belongs to the connection, then the authorization.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, LockType},
};
use tokend_model::{ConnectionId, Credential, WorkspaceName, ports::StorageError};

use super::row::read_credential;
use crate::{
    Storage,
    entities::{connection, credential, orphan, refresh_claim},
    faults::by_meaning,
    refreshes::CLAIM_CLOSED,
};

/// Locks a connection; what it is identified by stays, unless it is to be deleted.
pub(crate) async fn lock_connection(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    id: &ConnectionId,
    lock: LockType,
) -> Result<Option<connection::Model>, StorageError> {
    connection::Entity::find_by_id(id.as_str())
        .filter(connection::Column::Workspace.eq(workspace.as_str()))
        .lock(lock)
        .one(transaction)
        .await
        .map_err(by_meaning)
}

/// A connection's present credential, for those who can go on without it: what cannot be read must not keep
/// anybody from erasing or replacing it.
pub(crate) async fn readable_credential(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    connection: &connection::Model,
) -> Result<Option<Credential>, StorageError> {
    let key = (connection.id.clone(), connection.generation);
    find_readable_credential(transaction, storage, &connection.workspace, key).await
}

/// The same by connection and generation.
pub(crate) async fn find_readable_credential<C: ConnectionTrait>(
    connection: &C,
    storage: &Storage,
    workspace: &str,
    key: (String, i64),
) -> Result<Option<Credential>, StorageError> {
    let id = key.0.clone();
    let found = credential::Entity::find_by_id(key)
        .filter(credential::Column::Workspace.eq(workspace))
        .one(connection)
        .await
        .map_err(by_meaning)?;
    match found
        .map(|row| read_credential(row, &storage.keyring))
        .transpose()
    {
        Err(error @ StorageError::Corrupt { .. }) => {
            tracing::warn!(connection = id, %error, "a credential is left out unread");
            Ok(None)
        }
        result => result,
    }
}

/// Closes whatever claim is open on a locked connection, so that its holder comes too late.
pub(crate) async fn close_claims(
    transaction: &DatabaseTransaction,
    connection_id: &str,
) -> Result<(), StorageError> {
    refresh_claim::Entity::update_many()
        .col_expr(
            refresh_claim::Column::Epoch,
            Expr::col(refresh_claim::Column::Epoch).add(1),
        )
        .col_expr(refresh_claim::Column::State, Expr::value(CLAIM_CLOSED))
        .filter(refresh_claim::Column::ConnectionId.eq(connection_id))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}

/// Removes a locked connection's credentials, and the answers that came too late to become one.
pub(crate) async fn delete_credentials(
    transaction: &DatabaseTransaction,
    connection_id: &str,
) -> Result<(), StorageError> {
    credential::Entity::delete_many()
        .filter(credential::Column::ConnectionId.eq(connection_id))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    orphan::Entity::delete_many()
        .filter(orphan::Column::ConnectionId.eq(connection_id))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}
