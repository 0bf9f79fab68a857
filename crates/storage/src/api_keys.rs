//! Callers' API keys at rest.

use async_trait::async_trait;
use sea_orm::{EntityTrait, IntoActiveModel, QueryOrder};
use tokend_model::{
    WorkspaceName,
    ports::{ApiKeyRecord, ApiKeys, CallerRole, StorageError},
};

use crate::{
    Storage,
    columns::{milliseconds, name, optional_time, time},
    entities::api_key::{Column, Entity, Model},
    faults::{by_meaning, corrupt},
};

const BACKEND: &str = "BACKEND";
const OPERATOR: &str = "OPERATOR";

#[async_trait]
impl ApiKeys for Storage {
    async fn list(&self) -> Result<Vec<ApiKeyRecord>, StorageError> {
        let rows = Entity::find()
            .order_by_asc(Column::KeyId)
            .all(&self.database)
            .await
            .map_err(by_meaning)?;
        rows.into_iter().map(read).collect()
    }

    async fn insert(&self, key: &ApiKeyRecord) -> Result<(), StorageError> {
        let role = match key.role {
            CallerRole::Backend => BACKEND,
            CallerRole::Operator => OPERATOR,
        };
        let row = Model {
            key_id: key.key_id.clone(),
            workspace: key.workspace.as_str().to_owned(),
            secret_hash: key.secret_hash.clone(),
            caller: key.caller.clone(),
            role: role.to_owned(),
            create_time: key.create_time.timestamp_millis(),
            expire_time: milliseconds(key.expire_time),
        };
        Entity::insert(row.into_active_model())
            .exec_without_returning(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(())
    }
}

fn read(row: Model) -> Result<ApiKeyRecord, StorageError> {
    Ok(ApiKeyRecord {
        key_id: row.key_id,
        secret_hash: row.secret_hash,
        workspace: name("api_keys.workspace", row.workspace, WorkspaceName::new)?,
        caller: row.caller,
        role: match row.role.as_str() {
            BACKEND => CallerRole::Backend,
            OPERATOR => CallerRole::Operator,
            _ => return Err(corrupt("api_keys.role", "it is no role")),
        },
        create_time: time("api_keys.create_time", row.create_time)?,
        expire_time: optional_time("api_keys.expire_time", row.expire_time)?,
    })
}
