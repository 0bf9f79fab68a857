//! Grants from elsewhere that have yet to prove good: rows beside the connection they are meant for.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, sea_query::LockType,
};
use tokend_model::{
    Connection, ConnectionId, Credential, CredentialSource, Generation, Timestamp, TokenAnswer,
    WorkspaceName,
    ports::{ChangedSubject, Imported, NewConnection, StagedImports, StorageError},
};

use super::{
    connect::{MAIN, lock_existing, of_owner, store},
    import::{held, holds},
    locked::{find_readable_credential, lock_connection, readable_credential},
    row::write_credential,
};
use crate::{
    Storage,
    changes::announce,
    columns::map,
    entities::{connection, credential, orphan, refresh_claim},
    faults::by_meaning,
    refreshes::CLAIM_OPEN,
};

#[async_trait]
impl StagedImports for Storage {
    async fn stage(&self, new: &NewConnection, now: Timestamp) -> Result<Imported, StorageError> {
        let (storage, new) = (self.clone(), new.clone());
        self.transact(move |transaction| {
            Box::pin(async move { stage(transaction, &storage, &new, now).await })
        })
        .await
    }

    async fn promote(
        &self,
        staged: &ConnectionId,
        new: &NewConnection,
        now: Timestamp,
    ) -> Result<Option<Connection>, StorageError> {
        let (storage, staged, new) = (self.clone(), staged.clone(), new.clone());
        self.transact(move |transaction| {
            Box::pin(async move { promote(transaction, &storage, &staged, &new, now).await })
        })
        .await
    }

    async fn discard(
        &self,
        workspace: &WorkspaceName,
        staged: &ConnectionId,
    ) -> Result<(), StorageError> {
        let (workspace, staged) = (workspace.clone(), staged.clone());
        self.transact(move |transaction| {
            Box::pin(async move { discard(transaction, &workspace, &staged).await })
        })
        .await
    }
}

async fn stage(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    new: &NewConnection,
    now: Timestamp,
) -> Result<Imported, StorageError> {
    let target = lock_existing(transaction, new).await?;
    let beside = of_owner(new)
        .filter(connection::Column::Token.ne(MAIN))
        .order_by_asc(connection::Column::Token)
        .lock(LockType::NoKeyUpdate)
        .all(transaction)
        .await
        .map_err(by_meaning)?;
    let staged = beside
        .into_iter()
        .filter(|row| Connection::is_staged(&row.token));
    for row in target.into_iter().chain(staged) {
        if holds(transaction, storage, &row, new).await? {
            return held(transaction, row).await;
        }
    }
    let token = Connection::staged_token(&new.id);
    let stored = store(transaction, storage, new, &token, None, now).await?;
    Ok(Imported::Stored(stored))
}

/// The generation before comes along: it is what was imported, by which importing it again is known.
async fn promote(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    id: &ConnectionId,
    new: &NewConnection,
    now: Timestamp,
) -> Result<Option<Connection>, StorageError> {
    let target = lock_existing(transaction, new).await?;
    let Some(staged) = lock_staged(transaction, &new.workspace, id).await? else {
        return Ok(None);
    };
    if is_claimed(transaction, &staged.id).await? {
        return Err(StorageError::Changed);
    }
    let Some(present) = readable_credential(transaction, storage, &staged).await? else {
        return Err(StorageError::Changed);
    };
    let imported = (staged.id.clone(), staged.generation.saturating_sub(1));
    let workspace = new.workspace.as_str();
    let imported = find_readable_credential(transaction, storage, workspace, imported).await?;
    let mut new = new.clone();
    new.scopes = present.scopes.clone();
    new.answer = answer(present);
    // With it came what the provider told when it was renewed.
    let learned = map("connections.connection_config", &staged.connection_config)?;
    new.connection_config.extend(learned);
    new.renewal_time = staged
        .renewal_time
        .and_then(Timestamp::from_timestamp_millis);
    let replaces = target.is_some();
    let row = target.unwrap_or_else(|| staged.clone());
    let promoted = store(transaction, storage, &new, MAIN, Some(row), now).await?;
    if let Some(imported) = imported {
        keep_before(transaction, storage, &promoted, imported).await?;
    }
    if replaces {
        connection::Entity::delete_by_id(&staged.id)
            .exec(transaction)
            .await
            .map_err(by_meaning)?;
    }
    Ok(Some(promoted))
}

async fn discard(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    id: &ConnectionId,
) -> Result<(), StorageError> {
    let Some(staged) = lock_staged(transaction, workspace, id).await? else {
        return Ok(());
    };
    let late = orphan::Entity::find()
        .filter(orphan::Column::ConnectionId.eq(&staged.id))
        .count(transaction)
        .await
        .map_err(by_meaning)?;
    let redeemed = staged.generation != i64::from(Generation::FIRST.0) || late > 0;
    if redeemed || staged.uncertain_since.is_some() || is_claimed(transaction, &staged.id).await? {
        return Ok(());
    }
    announce(
        transaction,
        workspace,
        &ChangedSubject::Connection(id.clone()),
    )
    .await?;
    connection::Entity::delete_by_id(&staged.id)
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}

async fn lock_staged(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    id: &ConnectionId,
) -> Result<Option<connection::Model>, StorageError> {
    let row = lock_connection(transaction, workspace, id, LockType::Update).await?;
    Ok(row.filter(|row| Connection::is_staged(&row.token)))
}

/// Whether somebody may be redeeming the connection's refresh token.
async fn is_claimed(transaction: &DatabaseTransaction, id: &str) -> Result<bool, StorageError> {
    let open = refresh_claim::Entity::find_by_id(id)
        .filter(refresh_claim::Column::State.eq(CLAIM_OPEN))
        .one(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(open.is_some())
}

async fn keep_before(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    connection: &Connection,
    imported: Credential,
) -> Result<(), StorageError> {
    let before = Credential {
        generation: Generation(connection.generation.0.saturating_sub(1)),
        ..imported
    };
    let sealed = write_credential(
        &connection.workspace,
        connection.id.as_str(),
        &before,
        CredentialSource::Import,
        &storage.keyring,
    )?;
    credential::Entity::insert(sealed.into_active_model())
        .exec_without_returning(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}

fn answer(credential: Credential) -> TokenAnswer {
    TokenAnswer {
        access_token: credential.access_token,
        token_type: credential.token_type,
        refresh_token: credential.refresh_token,
        expiry: credential.expiry,
        refresh_expire_time: credential.refresh_expire_time,
        scopes: None,
        captured: Default::default(),
        receive_time: credential.receive_time,
        others: Default::default(),
    }
}
