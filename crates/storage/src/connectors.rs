//! Connectors at rest.

mod row;

use async_trait::async_trait;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
    sea_query::LockType,
};
use tokend_model::{
    Connector, ConnectorChange, ConnectorId, IntegrationTypeName, Timestamp, WorkspaceName,
    ports::{ChangedSubject, Connectors, Page, StorageError},
};

use crate::{
    Storage,
    changes::announce,
    columns::name,
    entities::{
        connection,
        connector::{Column, Entity, Model},
    },
    faults::by_meaning,
    integration_overrides::put,
};

#[async_trait]
impl Connectors for Storage {
    async fn get(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectorId,
    ) -> Result<Option<Connector>, StorageError> {
        Entity::find_by_id((workspace.as_str().to_owned(), id.as_str().to_owned()))
            .one(&self.database)
            .await
            .map_err(by_meaning)?
            .map(|row| row.read(&self.keyring))
            .transpose()
    }

    async fn get_shared(
        &self,
        workspace: &WorkspaceName,
        integration_type: &IntegrationTypeName,
    ) -> Result<Option<Connector>, StorageError> {
        Entity::find()
            .filter(Column::Workspace.eq(workspace.as_str()))
            .filter(Column::SharedType.eq(integration_type.as_str()))
            .one(&self.database)
            .await
            .map_err(by_meaning)?
            .map(|row| row.read(&self.keyring))
            .transpose()
    }

    async fn list(
        &self,
        workspace: &WorkspaceName,
        page: &Page,
    ) -> Result<Vec<Connector>, StorageError> {
        let mut query = Entity::find()
            .filter(Column::Workspace.eq(workspace.as_str()))
            .order_by_asc(Column::Id)
            .limit(page.limit);
        if let Some(after) = &page.after {
            query = query.filter(Column::Id.gt(after));
        }
        let rows = query.all(&self.database).await.map_err(by_meaning)?;
        rows.into_iter()
            .map(|row| row.read(&self.keyring))
            .collect()
    }

    async fn apply(
        &self,
        workspace: &WorkspaceName,
        changes: &[ConnectorChange],
        definitions: &[(IntegrationTypeName, String)],
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let workspace = workspace.clone();
        let mut definitions = definitions.to_vec();
        let (mut deleted, mut updated, mut created) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            match change {
                ConnectorChange::Delete(id) => deleted.push(id.clone()),
                ConnectorChange::Update(new) => {
                    updated.push(Model::write(&workspace, new, &self.keyring)?);
                }
                ConnectorChange::Create(new) => {
                    created.push(Model::write(&workspace, new, &self.keyring)?);
                }
            }
        }
        // By id, so that two appliers take their locks in the same order.
        deleted.sort();
        updated.sort_by(|one, other| one.id.cmp(&other.id));
        created.sort_by(|one, other| one.id.cmp(&other.id));
        definitions.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.transact(move |transaction| {
            Box::pin(async move {
                lock(transaction, &workspace, &deleted, &updated).await?;
                check_unused(transaction, &workspace, &deleted).await?;
                put(transaction, &workspace, definitions, now).await?;
                announce_all(transaction, &workspace, &deleted, &updated).await?;
                // Deleting first makes room for another shared connector of the same type.
                for id in &deleted {
                    delete(transaction, &workspace, id).await?;
                }
                for row in updated {
                    update(transaction, row).await?;
                }
                for row in created {
                    Entity::insert(row.into_active_model())
                        .exec_without_returning(transaction)
                        .await
                        .map_err(by_meaning)?;
                }
                Ok(())
            })
        })
        .await
    }
}

async fn lock(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    deleted: &[ConnectorId],
    updated: &[Model],
) -> Result<(), StorageError> {
    let ids = deleted
        .iter()
        .map(ConnectorId::as_str)
        .chain(updated.iter().map(|row| row.id.as_str()));
    Entity::find()
        .filter(Column::Workspace.eq(workspace.as_str()))
        .filter(Column::Id.is_in(ids))
        .order_by_asc(Column::Id)
        .lock(LockType::Update)
        .all(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}

/// What is created now is in nobody's memory.
async fn announce_all(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    deleted: &[ConnectorId],
    updated: &[Model],
) -> Result<(), StorageError> {
    let ids = updated
        .iter()
        .map(|row| name("connectors.id", row.id.clone(), ConnectorId::new))
        .chain(deleted.iter().cloned().map(Ok));
    for id in ids {
        announce(transaction, workspace, &ChangedSubject::Connector(id?)).await?;
    }
    Ok(())
}

/// The caller's version is the stored one, or somebody else was faster.
async fn update(transaction: &DatabaseTransaction, row: Model) -> Result<(), StorageError> {
    let key = (row.workspace.clone(), row.id.clone());
    let read_version = row.version;
    let mut change = row.into_active_model().reset_all();
    change.version = Set(read_version.saturating_add(1));
    (change.workspace, change.id, change.create_time) = (NotSet, NotSet, NotSet);
    let result = Entity::update_many()
        .set(change)
        .filter(Column::Workspace.eq(key.0))
        .filter(Column::Id.eq(key.1))
        .filter(Column::Version.eq(read_version))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    changed_one(result.rows_affected)
}

/// Connecting locks the connector too: what is not there now cannot come before it is gone.
async fn check_unused(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    deleted: &[ConnectorId],
) -> Result<(), StorageError> {
    let ids = deleted.iter().map(ConnectorId::as_str);
    let connections = connection::Entity::find()
        .filter(connection::Column::Workspace.eq(workspace.as_str()))
        .filter(connection::Column::ConnectorId.is_in(ids))
        .count(transaction)
        .await
        .map_err(by_meaning)?;
    match connections {
        0 => Ok(()),
        connections => Err(StorageError::InUse { connections }),
    }
}

async fn delete(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    id: &ConnectorId,
) -> Result<(), StorageError> {
    let result = Entity::delete_by_id((workspace.as_str().to_owned(), id.as_str().to_owned()))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    changed_one(result.rows_affected)
}

fn changed_one(rows: u64) -> Result<(), StorageError> {
    if rows == 1 {
        Ok(())
    } else {
        Err(StorageError::Changed)
    }
}
