//! Integration types of this installation at rest.

use async_trait::async_trait;
use sea_orm::{
    DatabaseTransaction, EntityTrait, IntoActiveModel, QueryOrder, sea_query::OnConflict,
};
use tokend_model::{
    IntegrationTypeName, Timestamp, WorkspaceName,
    ports::{IntegrationOverrides, StorageError},
};

use crate::{
    Storage,
    columns::name,
    entities::integration_override::{Column, Entity, Model},
    faults::by_meaning,
};

#[async_trait]
impl IntegrationOverrides for Storage {
    async fn list(
        &self,
    ) -> Result<Vec<(WorkspaceName, IntegrationTypeName, String)>, StorageError> {
        let rows = Entity::find()
            .order_by_asc(Column::Workspace)
            .order_by_asc(Column::Name)
            .all(&self.database)
            .await
            .map_err(by_meaning)?;
        rows.into_iter()
            .map(|row| {
                Ok((
                    name(
                        "integration_overrides.workspace",
                        row.workspace,
                        WorkspaceName::new,
                    )?,
                    name(
                        "integration_overrides.name",
                        row.name,
                        IntegrationTypeName::new,
                    )?,
                    row.definition,
                ))
            })
            .collect()
    }
}

/// Adds or replaces a workspace's definitions, one by one in the order given.
pub(crate) async fn put(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    definitions: Vec<(IntegrationTypeName, String)>,
    now: Timestamp,
) -> Result<(), StorageError> {
    for (name, definition) in definitions {
        let row = Model {
            workspace: workspace.as_str().to_owned(),
            name: name.as_str().to_owned(),
            definition,
            create_time: now.timestamp_millis(),
            update_time: now.timestamp_millis(),
        };
        Entity::insert(row.into_active_model())
            .on_conflict(
                OnConflict::columns([Column::Workspace, Column::Name])
                    .update_columns([Column::Definition, Column::UpdateTime])
                    .to_owned(),
            )
            .exec_without_returning(transaction)
            .await
            .map_err(by_meaning)?;
    }
    Ok(())
}
