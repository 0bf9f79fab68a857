//! Callers' API keys at rest.

use std::sync::Once;

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, sea_query::Expr,
};
use tokend_model::{
    Timestamp, WorkspaceName,
    ports::{ApiKeyRecord, ApiKeys, CallerRole, StorageError},
};

use crate::{
    Storage,
    columns::{milliseconds, name, optional_time, time},
    entities::api_key::{Column, Entity, Model},
    faults::{by_meaning, corrupt},
};

/// That there are rows which cannot be read is said once: they are looked at again every few seconds.
static UNREADABLE: Once = Once::new();

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
        Ok(rows.into_iter().filter_map(readable).collect())
    }

    async fn insert(&self, key: &ApiKeyRecord) -> Result<(), StorageError> {
        Entity::insert(row(key).into_active_model())
            .exec_without_returning(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(())
    }

    async fn replace(
        &self,
        key: &ApiKeyRecord,
        replaced: &[String],
        end: Timestamp,
    ) -> Result<(), StorageError> {
        let (row, replaced, end) = (row(key), replaced.to_vec(), end.timestamp_millis());
        self.transact(move |transaction| {
            Box::pin(async move {
                Entity::insert(row.into_active_model())
                    .exec_without_returning(transaction)
                    .await
                    .map_err(by_meaning)?;
                let ends_later = Condition::any()
                    .add(Column::ExpireTime.is_null())
                    .add(Column::ExpireTime.gt(end));
                Entity::update_many()
                    .col_expr(Column::ExpireTime, Expr::value(end))
                    .filter(Column::KeyId.is_in(replaced))
                    .filter(ends_later)
                    .exec(transaction)
                    .await
                    .map_err(by_meaning)?;
                Ok(())
            })
        })
        .await
    }

    async fn delete(&self, key_ids: &[String]) -> Result<u64, StorageError> {
        let deleted = Entity::delete_many()
            .filter(Column::KeyId.is_in(key_ids))
            .exec(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(deleted.rows_affected)
    }

    async fn note_uses(&self, uses: &[(String, Timestamp)]) -> Result<(), StorageError> {
        // One row at a time: other replicas note theirs, and no order of locks is to be agreed upon.
        for (key_id, time) in uses {
            let time = time.timestamp_millis();
            let noted_earlier = Condition::any()
                .add(Column::LastUsedTime.is_null())
                .add(Column::LastUsedTime.lt(time));
            Entity::update_many()
                .col_expr(Column::LastUsedTime, Expr::value(time))
                .filter(Column::KeyId.eq(key_id))
                .filter(noted_earlier)
                .exec(&self.database)
                .await
                .map_err(by_meaning)?;
        }
        Ok(())
    }
}

/// The record, unless the row cannot be read: it opens nothing then, and keeps the others from nothing.
fn readable(row: Model) -> Option<ApiKeyRecord> {
    let key_id = row.key_id.clone();
    read(row)
        .inspect_err(|error| {
            UNREADABLE.call_once(|| {
                tracing::error!(key_id, %error, "API keys that cannot be read, such as this one, are not accepted");
            });
        })
        .ok()
}

fn row(key: &ApiKeyRecord) -> Model {
    let role = match key.role {
        CallerRole::Backend => BACKEND,
        CallerRole::Operator => OPERATOR,
    };
    Model {
        key_id: key.key_id.clone(),
        workspace: key.workspace.as_str().to_owned(),
        secret_hash: key.secret_hash.clone(),
        caller: key.caller.clone(),
        role: role.to_owned(),
        create_time: key.create_time.timestamp_millis(),
        expire_time: milliseconds(key.expire_time),
        last_used_time: milliseconds(key.last_used_time),
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
        last_used_time: optional_time("api_keys.last_used_time", row.last_used_time)?,
    })
}
