//! What operators clear away, and what they change by hand.

mod reaping;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::LockType,
};
use tokend_model::{
    Authorization, Connection, ConnectionId, Owner, Timestamp, TokenAnswer, WorkspaceName,
    ports::{Housekeeping, StorageError},
};

use crate::{
    Storage,
    authorizations::readable_answer,
    columns::owner_columns,
    connections::{locked::lock_connection, row::read_connection, tags},
    entities::{
        authorization::{Column, Entity, Model},
        connection_usage,
    },
    faults::by_meaning,
};

#[async_trait]
impl Housekeeping for Storage {
    async fn set_tags(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        tags: &BTreeMap<String, String>,
    ) -> Result<Option<Connection>, StorageError> {
        let (workspace, id, tags) = (workspace.clone(), id.clone(), tags.clone());
        self.transact(move |transaction| {
            Box::pin(async move { set_tags(transaction, &workspace, &id, tags).await })
        })
        .await
    }

    async fn authorizations_of(
        &self,
        workspace: &WorkspaceName,
        owner: &Owner,
    ) -> Result<Vec<Authorization>, StorageError> {
        of_owner(workspace, owner)
            .order_by_asc(Column::CreateTime)
            .order_by_asc(Column::Id)
            .all(&self.database)
            .await
            .map_err(by_meaning)?
            .into_iter()
            .map(Model::read)
            .collect()
    }

    async fn erase_authorizations(
        &self,
        workspace: &WorkspaceName,
        owner: &Owner,
    ) -> Result<Vec<(Authorization, Option<TokenAnswer>)>, StorageError> {
        let (storage, workspace, owner) = (self.clone(), workspace.clone(), owner.clone());
        self.transact(move |transaction| {
            Box::pin(async move { erase(transaction, &storage, &workspace, &owner).await })
        })
        .await
    }

    async fn reap_connections(
        &self,
        workspace: &WorkspaceName,
        dead_for: Duration,
        limit: u64,
        dry_run: bool,
    ) -> Result<Vec<Connection>, StorageError> {
        let workspace = workspace.clone();
        self.transact(move |transaction| {
            Box::pin(async move {
                reaping::connections(transaction, &workspace, dead_for, limit, dry_run).await
            })
        })
        .await
    }

    async fn reap_authorizations(
        &self,
        workspace: &WorkspaceName,
        now: Timestamp,
        limit: u64,
        dry_run: bool,
    ) -> Result<u64, StorageError> {
        reaping::authorizations(&self.database, workspace, now, limit, dry_run).await
    }
}

async fn set_tags(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    id: &ConnectionId,
    tags: BTreeMap<String, String>,
) -> Result<Option<Connection>, StorageError> {
    let lock = LockType::NoKeyUpdate;
    let Some(row) = lock_connection(transaction, workspace, id, lock).await? else {
        return Ok(None);
    };
    tags::replace(transaction, workspace.as_str(), &row.id, &tags).await?;
    let usage = connection_usage::Entity::find_by_id(&row.id)
        .one(transaction)
        .await
        .map_err(by_meaning)?;
    read_connection(row, usage, tags).map(Some)
}

async fn erase(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    workspace: &WorkspaceName,
    owner: &Owner,
) -> Result<Vec<(Authorization, Option<TokenAnswer>)>, StorageError> {
    let rows = of_owner(workspace, owner)
        .order_by_asc(Column::Id)
        .lock(LockType::Update)
        .all(transaction)
        .await
        .map_err(by_meaning)?;
    let mut erased = Vec::new();
    for row in rows {
        Entity::delete_by_id(&row.id)
            .exec(transaction)
            .await
            .map_err(by_meaning)?;
        let held = readable_answer(storage, &row)?;
        erased.push((row.read()?, held));
    }
    Ok(erased)
}

fn of_owner(workspace: &WorkspaceName, owner: &Owner) -> Select<Entity> {
    let (owner_kind, owner_user) = owner_columns(owner);
    Entity::find()
        .filter(Column::Workspace.eq(workspace.as_str()))
        .filter(Column::OwnerKind.eq(owner_kind))
        .filter(Column::OwnerUser.eq(owner_user))
}
