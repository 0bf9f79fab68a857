//! Attempts that ran out of time: ended at once unless they hold tokens, removed a day later.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{LockBehavior, LockType},
};
use tokend_model::{AuthorizationState, Timestamp, ports::StorageError};

use super::step::{is_not_final, to_state};
use crate::{
    entities::authorization::{Column, Entity, Model},
    faults::by_meaning,
};

/// How long an attempt stays for the record once its time ran out: 24 h in milliseconds.
const KEPT: i64 = 24 * 60 * 60 * 1000;

/// So many go in one statement, which is then done before its time is up, however many there are.
const BATCH: u64 = 1000;

/// Ends what can still go on though its time ran out before the deadline; answers how many.
pub(crate) async fn end<C: ConnectionTrait>(
    connection: &C,
    deadline: Timestamp,
    reason: &str,
) -> Result<u64, StorageError> {
    let mut change = to_state(AuthorizationState::Failed);
    change.failure_reason = Set(reason.to_owned());
    let result = Entity::update_many()
        .set(change)
        .filter(Column::ExpireTime.lt(deadline.timestamp_millis()))
        .filter(is_not_final())
        .filter(Column::Answer.is_null())
        .exec(connection)
        .await
        .map_err(by_meaning)?;
    Ok(result.rows_affected)
}

/// Those whose time ran out before the deadline, and which still hold tokens.
pub(crate) async fn holding<C: ConnectionTrait>(
    connection: &C,
    deadline: Timestamp,
    limit: u64,
) -> Result<Vec<Model>, StorageError> {
    Entity::find()
        .filter(Column::ExpireTime.lt(deadline.timestamp_millis()))
        .filter(is_not_final())
        .filter(Column::Answer.is_not_null())
        .order_by_asc(Column::ExpireTime)
        .limit(limit)
        .all(connection)
        .await
        .map_err(by_meaning)
}

/// Removes what was kept for the record long enough. Replicas that do so at once take different rows.
pub(crate) async fn remove<C: ConnectionTrait>(
    connection: &C,
    deadline: Timestamp,
) -> Result<(), StorageError> {
    loop {
        let batch = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::ExpireTime.lt(deadline.timestamp_millis().saturating_sub(KEPT)))
            .order_by_asc(Column::ExpireTime)
            .limit(BATCH)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .into_query();
        let result = Entity::delete_many()
            .filter(Column::Id.in_subquery(batch))
            .exec(connection)
            .await
            .map_err(by_meaning)?;
        if result.rows_affected < BATCH {
            return Ok(());
        }
    }
}
