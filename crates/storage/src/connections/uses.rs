//! Use counts, added in batches and apart from everything that refreshing writes.

use std::collections::BTreeMap;

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{CaseStatement, Expr, ExprTrait, LockType},
};
use tokend_model::{ConnectionUse, ports::StorageError};

use crate::{
    entities::connection_usage::{Column, Entity, Model},
    faults::by_meaning,
};

/// Rows a statement; each takes a few parameters, of which the databases allow some ten thousand.
const CHUNK: usize = 500;

/// Adds the uses to their connections' counts; connections that are gone, or another workspace's, are left out.
pub(crate) async fn record(
    transaction: &DatabaseTransaction,
    uses: &[ConnectionUse],
) -> Result<(), StorageError> {
    let mut sums: BTreeMap<&str, (&str, i64, i64)> = BTreeMap::new();
    for one in uses {
        let used = one.last_use_time.timestamp_millis();
        let sum =
            sums.entry(one.connection_id.as_str())
                .or_insert((one.workspace.as_str(), 0, used));
        sum.1 = sum.1.saturating_add(one.count);
        sum.2 = Ord::max(sum.2, used);
    }
    let ids: Vec<&str> = sums.keys().copied().collect();
    for chunk in ids.chunks(CHUNK) {
        let rows = Entity::find()
            .filter(Column::ConnectionId.is_in(chunk.iter().copied()))
            .order_by_asc(Column::ConnectionId)
            .lock(LockType::NoKeyUpdate)
            .all(transaction)
            .await
            .map_err(by_meaning)?;
        add(transaction, &sums, &rows).await?;
    }
    Ok(())
}

async fn add(
    transaction: &DatabaseTransaction,
    sums: &BTreeMap<&str, (&str, i64, i64)>,
    rows: &[Model],
) -> Result<(), StorageError> {
    let (mut counts, mut times) = (CaseStatement::new(), CaseStatement::new());
    let mut ids = Vec::new();
    for row in rows {
        let Some((workspace, count, used)) = sums.get(row.connection_id.as_str()) else {
            continue;
        };
        if *workspace != row.workspace {
            continue;
        }
        let is_row = Expr::col(Column::ConnectionId).eq(row.connection_id.as_str());
        counts = counts.case(is_row.clone(), row.use_count.saturating_add(*count));
        times = times.case(is_row, Ord::max(Some(*used), row.last_use_time));
        ids.push(row.connection_id.as_str());
    }
    if ids.is_empty() {
        return Ok(());
    }
    Entity::update_many()
        .col_expr(Column::UseCount, counts.into())
        .col_expr(Column::LastUseTime, times.into())
        .filter(Column::ConnectionId.is_in(ids))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}
