//! Removing what has been over for long: connections that ended, and attempts that led nowhere.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, LockBehavior, LockType, SelectStatement},
};
use tokend_model::{
    AuthorizationState, Connection, ConnectionStatus, Timestamp, WorkspaceName, ports::StorageError,
};

use crate::{
    connections::{row::read_connection, tags},
    database_clock,
    entities::{authorization, connection, connection_usage, orphan, refresh_claim},
    faults::by_meaning,
    refreshes::{CLAIM_OPEN, whole_milliseconds},
};

/// Ids a statement, of which the databases allow some ten thousand.
const CHUNK: usize = 500;

/// A main connection by whose siblings its owner is still connected.
const SIBLING_LIVES: &str = "connections.token = '' AND EXISTS (SELECT 1 FROM connections AS sibling \
    WHERE sibling.workspace = connections.workspace AND sibling.connector_id = connections.connector_id \
    AND sibling.owner_kind = connections.owner_kind AND sibling.owner_user = connections.owner_user \
    AND sibling.label = connections.label AND sibling.token <> '' AND sibling.status IN ('AUTHORIZED', 'EXPIRED'))";

/// Removes, or only finds, connections that ended that long ago and were not used since. What an earlier release ended
/// without saying when is noted now.
pub(super) async fn connections(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    dead_for: Duration,
    limit: u64,
    dry_run: bool,
) -> Result<Vec<Connection>, StorageError> {
    use connection::Column;
    let now = database_clock::read(transaction).await?;
    let cutoff = now.saturating_sub(whole_milliseconds(dead_for));
    if !dry_run {
        connection::Entity::update_many()
            .col_expr(Column::EndedTime, Expr::value(now))
            .filter(ended(workspace))
            .filter(Column::EndedTime.is_null())
            .exec(transaction)
            .await
            .map_err(by_meaning)?;
    }
    let rows = connection::Entity::find()
        .filter(ended(workspace))
        .filter(Column::EndedTime.lte(cutoff))
        .filter(Column::Id.not_in_subquery(used_after(cutoff)))
        .filter(Column::Id.not_in_subquery(late_answers()))
        .filter(Column::Id.not_in_subquery(open_claims()))
        .filter(Expr::cust(SIBLING_LIVES).not())
        .order_by_asc(Column::Id)
        .limit(limit)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(transaction)
        .await
        .map_err(by_meaning)?;
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut tags = tags::of_many(transaction, &ids).await?;
    let mut reaped = Vec::new();
    for row in rows {
        let tags = tags.remove(&row.id).unwrap_or_default();
        reaped.push(read_connection(row, None, tags)?);
    }
    for chunk in ids.chunks(CHUNK).filter(|_| !dry_run) {
        connection::Entity::delete_many()
            .filter(Column::Id.is_in(chunk.iter().copied()))
            .exec(transaction)
            .await
            .map_err(by_meaning)?;
    }
    Ok(reaped)
}

/// Removes, or only counts, attempts whose time ran out without a connection. One that is being completed may be about
/// to become one.
pub(super) async fn authorizations<C: ConnectionTrait>(
    connection: &C,
    workspace: &WorkspaceName,
    now: Timestamp,
    limit: u64,
    dry_run: bool,
) -> Result<u64, StorageError> {
    use authorization::Column;
    let abandoned = authorization::Entity::find()
        .filter(Column::Workspace.eq(workspace.as_str()))
        .filter(Column::ExpireTime.lt(now.timestamp_millis()))
        .filter(Column::State.is_not_in([
            AuthorizationState::Completed.as_str(),
            AuthorizationState::Completing.as_str(),
        ]))
        .filter(Column::Answer.is_null());
    if dry_run {
        let counted = abandoned.limit(limit).count(connection).await;
        return counted.map_err(by_meaning);
    }
    let batch = abandoned
        .select_only()
        .column(Column::Id)
        .order_by_asc(Column::ExpireTime)
        .limit(limit)
        .into_query();
    let result = authorization::Entity::delete_many()
        .filter(Column::Id.in_subquery(batch))
        .exec(connection)
        .await
        .map_err(by_meaning)?;
    Ok(result.rows_affected)
}

/// What only a person can bring back.
fn ended(workspace: &WorkspaceName) -> Condition {
    use connection::Column;
    let over = [ConnectionStatus::Revoked, ConnectionStatus::Error].map(ConnectionStatus::as_str);
    Condition::all()
        .add(Column::Workspace.eq(workspace.as_str()))
        .add(Column::Status.is_in(over))
}

fn used_after(cutoff: i64) -> SelectStatement {
    use connection_usage::Column;
    connection_usage::Entity::find()
        .select_only()
        .column(Column::ConnectionId)
        .filter(Column::LastUseTime.gt(cutoff))
        .into_query()
}

/// One may hold the only refresh token that is alive.
fn late_answers() -> SelectStatement {
    orphan::Entity::find()
        .select_only()
        .column(orphan::Column::ConnectionId)
        .into_query()
}

fn open_claims() -> SelectStatement {
    refresh_claim::Entity::find()
        .select_only()
        .column(refresh_claim::Column::ConnectionId)
        .filter(refresh_claim::Column::State.eq(CLAIM_OPEN))
        .into_query()
}
