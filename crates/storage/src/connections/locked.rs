//! A connection inside a transaction, locked against other writers. Locks are taken in one order everywhere:
//! connector, connection, then what belongs to the connection, then the authorization.

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, LockType},
};
use tokend_model::{ConnectionId, Credential, WorkspaceName, ports::StorageError};

use super::row::read_credential;
use crate::{
    Storage,
    entities::{connection, credential, refresh_claim},
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

/// The present credential of a locked connection.
pub(crate) async fn present_credential(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    connection: &connection::Model,
) -> Result<Option<Credential>, StorageError> {
    credential::Entity::find_by_id((connection.id.clone(), connection.generation))
        .one(transaction)
        .await
        .map_err(by_meaning)?
        .map(|row| read_credential(row, &storage.keyring))
        .transpose()
}

/// The same for those that go on without it: what cannot be read must not keep anybody from erasing or
/// replacing it.
pub(crate) async fn readable_credential(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    connection: &connection::Model,
) -> Result<Option<Credential>, StorageError> {
    match present_credential(transaction, storage, connection).await {
        Err(error @ StorageError::Corrupt { .. }) => {
            tracing::warn!(connection = connection.id, %error, "a credential is dropped unread");
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

/// Removes a locked connection's credentials.
pub(crate) async fn delete_credentials(
    transaction: &DatabaseTransaction,
    connection_id: &str,
) -> Result<(), StorageError> {
    credential::Entity::delete_many()
        .filter(credential::Column::ConnectionId.eq(connection_id))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}
