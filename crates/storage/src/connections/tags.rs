//! The tags of connections: read for many at once, replaced as a whole, looked for all together.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait,
    QueryFilter, QuerySelect, QueryTrait,
};
use tokend_model::ports::StorageError;

use crate::{
    entities::{
        connection,
        connection_tag::{ActiveModel, Column, Entity},
    },
    faults::by_meaning,
};

/// Ids a statement, of which the databases allow some ten thousand.
const CHUNK: usize = 500;

/// Names and values.
pub(crate) type Tags = BTreeMap<String, String>;

/// The tags of connections by their id, in one statement for up to 500 of them; those without are left out.
pub(crate) async fn of_many<C: ConnectionTrait>(
    connection: &C,
    ids: &[&str],
) -> Result<HashMap<String, Tags>, StorageError> {
    let mut found: HashMap<String, Tags> = HashMap::new();
    for chunk in ids.chunks(CHUNK) {
        let rows = Entity::find()
            .filter(Column::ConnectionId.is_in(chunk.iter().copied()))
            .all(connection)
            .await
            .map_err(by_meaning)?;
        for row in rows {
            let tags = found.entry(row.connection_id).or_default();
            tags.insert(row.name, row.value);
        }
    }
    Ok(found)
}

/// The tags of one connection.
pub(crate) async fn of_one<C: ConnectionTrait>(
    connection: &C,
    id: &str,
) -> Result<Tags, StorageError> {
    let mut found = of_many(connection, &[id]).await?;
    Ok(found.remove(id).unwrap_or_default())
}

/// Gives a locked connection these tags in place of those it has.
pub(crate) async fn replace(
    transaction: &DatabaseTransaction,
    workspace: &str,
    id: &str,
    tags: &Tags,
) -> Result<(), StorageError> {
    Entity::delete_many()
        .filter(Column::ConnectionId.eq(id))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    if tags.is_empty() {
        return Ok(());
    }
    let rows = tags.iter().map(|(name, value)| ActiveModel {
        connection_id: Set(id.to_owned()),
        name: Set(name.clone()),
        workspace: Set(workspace.to_owned()),
        value: Set(value.clone()),
    });
    Entity::insert_many(rows)
        .exec_without_returning(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}

/// That a connection of the workspace has all of these tags.
pub(crate) fn with_all(workspace: &str, tags: &Tags) -> Condition {
    tags.iter()
        .map(|(name, value)| {
            Entity::find()
                .select_only()
                .column(Column::ConnectionId)
                .filter(Column::Workspace.eq(workspace))
                .filter(Column::Name.eq(name))
                .filter(Column::Value.eq(value))
                .into_query()
        })
        .fold(Condition::all(), |all, tagged| {
            all.add(connection::Column::Id.in_subquery(tagged))
        })
}
