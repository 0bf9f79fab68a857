//! What a refresh that brought nothing leaves: the connection's health, its next time, and a client's pause.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    sea_query::{CaseStatement, Expr, ExprTrait, OnConflict},
};
use tokend_keyring::Keyring;
use tokend_model::{
    ConnectionStatus, Timestamp,
    ports::{Claim, ClientRegistration, RefreshFailure, StorageError},
};

use super::{CLAIM_CLOSED, lock_claimed, of_connection, orphans, own};
use crate::{
    columns::milliseconds,
    connect::clock,
    connections::ended_time,
    entities::{
        client_pause::{self, Column},
        connection, orphan, refresh_claim,
    },
    faults::by_meaning,
};

/// Closes the claim and records the failure, unless the claim is no longer its holder's.
pub(crate) async fn fail(
    transaction: &DatabaseTransaction,
    keyring: &Keyring,
    claim: &Claim,
    failure: &RefreshFailure,
) -> Result<(), StorageError> {
    if lock_claimed(transaction, claim).await?.is_none() {
        return Ok(());
    }
    let close = own(claim).col_expr(refresh_claim::Column::State, Expr::value(CLAIM_CLOSED));
    if close
        .exec(transaction)
        .await
        .map_err(by_meaning)?
        .rows_affected
        == 0
    {
        return Ok(());
    }
    if failure.status == ConnectionStatus::Error
        && has_late_answer(transaction, keyring, claim).await?
    {
        // The successor came while its predecessor was refused: nobody is needed, and the next to claim stores it.
        return record(transaction, claim, &not_over(failure)).await;
    }
    record(transaction, claim, failure).await
}

/// Whether the answer to an earlier attempt on the same generation waits to be used.
async fn has_late_answer(
    transaction: &DatabaseTransaction,
    keyring: &Keyring,
    claim: &Claim,
) -> Result<bool, StorageError> {
    let late = of_connection(&claim.connection_id)
        .filter(orphan::Column::BaseGeneration.eq(i64::from(claim.base.0)))
        .filter(orphan::Column::Tried.eq(false));
    let readable = orphans::newest_first(transaction, late, keyring).await?;
    Ok(!readable.is_empty())
}

/// The same failure of a connection that has something left to go on with, at once.
fn not_over(failure: &RefreshFailure) -> RefreshFailure {
    let mut failure = failure.clone();
    failure.status = ConnectionStatus::Expired;
    failure.health.retry_time = None;
    failure.renewal_time = Some(Timestamp::UNIX_EPOCH);
    failure
}

async fn record(
    transaction: &DatabaseTransaction,
    claim: &Claim,
    failure: &RefreshFailure,
) -> Result<(), StorageError> {
    let health = &failure.health;
    let change = connection::ActiveModel {
        status: Set(failure.status.as_str().to_owned()),
        status_reason: Set(failure.status_reason.clone()),
        consecutive_failures: Set(i64::from(health.consecutive_failures)),
        last_failure: Set(health.last_failure.clone()),
        last_failure_time: Set(milliseconds(health.last_failure_time)),
        retry_time: Set(milliseconds(health.retry_time)),
        accused_time: Set(milliseconds(health.accused_time)),
        renewal_time: Set(milliseconds(failure.renewal_time)),
        uncertain_since: Set(milliseconds(health.uncertain_since)),
        ..Default::default()
    };
    let ended = match failure.status {
        ConnectionStatus::Error => ended_time(transaction),
        _ => Expr::value(None::<i64>),
    };
    connection::Entity::update_many()
        .set(change)
        .col_expr(connection::Column::EndedTime, ended)
        .filter(connection::Column::Id.eq(claim.connection_id.as_str()))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    match &failure.pause {
        Some((registration, until)) => pause(transaction, registration, *until).await,
        None => Ok(()),
    }
}

/// Removes pauses that are over; answers how many.
pub(crate) async fn purge_pauses<C: ConnectionTrait>(connection: &C) -> Result<u64, StorageError> {
    let now = Expr::cust(clock(connection.get_database_backend()));
    let result = client_pause::Entity::delete_many()
        .filter(Expr::col(Column::UntilTime).lt(now))
        .exec(connection)
        .await
        .map_err(by_meaning)?;
    Ok(result.rows_affected)
}

/// Keeps the later end where the client is paused already.
async fn pause(
    transaction: &DatabaseTransaction,
    registration: &ClientRegistration,
    until: Timestamp,
) -> Result<(), StorageError> {
    let until = until.timestamp_millis();
    let present = || Expr::col((client_pause::Entity, Column::UntilTime));
    let later = CaseStatement::new()
        .case(present().gt(until), present())
        .finally(until);
    let row = client_pause::ActiveModel {
        workspace: Set(registration.workspace.as_str().to_owned()),
        endpoint: Set(registration.endpoint.clone()),
        client_id: Set(registration.client_id.clone()),
        until_time: Set(until),
    };
    let keep_later = OnConflict::columns([Column::Workspace, Column::Endpoint, Column::ClientId])
        .value(Column::UntilTime, later)
        .to_owned();
    client_pause::Entity::insert(row)
        .on_conflict(keep_later)
        .exec_without_returning(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}
