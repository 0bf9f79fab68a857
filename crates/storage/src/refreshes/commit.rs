//! Committing a refresh: the one place where a connection gets its next generation.

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel,
    QueryFilter,
    sea_query::{Expr, ExprTrait, LockType},
};
use tokend_model::{
    ConnectionStatus, Credential, CredentialSource,
    ports::{ChangedSubject, Claim, CommitOutcome, Renewed, StorageError},
};

use super::{CLAIM_COMMITTED, CLAIM_OPEN, can_refresh, orphans};
use crate::{
    Storage,
    changes::announce,
    columns::{expiry_columns, list_text, map_text, milliseconds},
    connect::clock,
    connections::{
        locked::{find_readable_credential, lock_connection},
        row::write_credential,
    },
    entities::{connection, credential, refresh_claim},
    faults::by_meaning,
};

/// Compare-and-swap on the generation, fenced by live claims; the generation before stays as a fallback, older
/// ones go. What comes too late is kept as an orphan.
pub(crate) async fn commit(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    claim: &Claim,
    renewed: &Renewed,
) -> Result<CommitOutcome, StorageError> {
    let lock = LockType::NoKeyUpdate;
    let row = lock_connection(transaction, &claim.workspace, &claim.connection_id, lock).await?;
    let Some(row) = row.filter(|row| row.status != ConnectionStatus::Revoked.as_str()) else {
        return Ok(CommitOutcome::Gone);
    };
    let is_next = can_refresh(&row, claim.base) && close_for_all(transaction, claim).await?;
    if is_next {
        store(transaction, storage, claim, renewed).await?;
    } else if !is_committed(transaction, storage, claim, &renewed.credential).await? {
        // Another account may have been connected meanwhile: its connection must not get a token of this grant.
        let replaced = renewed.credential.receive_time.timestamp_millis() < row.authorize_time
            || is_replaced(transaction, claim).await?;
        let keyring = &storage.keyring;
        orphans::keep(transaction, keyring, claim, &renewed.credential, replaced).await?;
        return Ok(CommitOutcome::Orphaned);
    }
    Ok(CommitOutcome::Committed)
}

/// Whether somebody consented anew, or imported, since the claim.
async fn is_replaced(
    transaction: &DatabaseTransaction,
    claim: &Claim,
) -> Result<bool, StorageError> {
    use credential::Column;
    let other = credential::Entity::find()
        .filter(Column::ConnectionId.eq(claim.connection_id.as_str()))
        .filter(Column::Generation.gt(i64::from(claim.base.0)))
        .filter(Column::Source.ne(CredentialSource::Refresh.as_str()))
        .one(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(other.is_some())
}

/// From here on whoever holds a claim on the generation comes too late; `false` if this one does. Nobody took its
/// claim over: it may commit, deadline or not. Somebody did and brought nothing, or died over it: it may, since this
/// answer may hold the only refresh token that is alive. Somebody is still at it: no, theirs is the later answer.
async fn close_for_all(
    transaction: &DatabaseTransaction,
    claim: &Claim,
) -> Result<bool, StorageError> {
    use refresh_claim::Column;
    let now = Expr::cust(clock(transaction.get_database_backend()));
    let nobody_else = Condition::any()
        .add(Column::Epoch.eq(claim.epoch))
        .add(Column::State.ne(CLAIM_OPEN))
        .add(Expr::col(Column::DeadlineAt).lte(now));
    let result = refresh_claim::Entity::update_many()
        .col_expr(Column::State, Expr::value(CLAIM_COMMITTED))
        .filter(Column::ConnectionId.eq(claim.connection_id.as_str()))
        .filter(Column::State.ne(CLAIM_COMMITTED))
        .filter(nobody_else)
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(result.rows_affected == 1)
}

async fn store(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    claim: &Claim,
    renewed: &Renewed,
) -> Result<(), StorageError> {
    let id = claim.connection_id.as_str();
    let source = CredentialSource::Refresh;
    let sealed = write_credential(
        &claim.workspace,
        id,
        &renewed.credential,
        source,
        &storage.keyring,
    )?;
    credential::Entity::insert(sealed.into_active_model())
        .exec_without_returning(transaction)
        .await
        .map_err(by_meaning)?;
    credential::Entity::delete_many()
        .filter(credential::Column::ConnectionId.eq(id))
        .filter(credential::Column::Generation.lt(i64::from(claim.base.0)))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    connection::Entity::update_many()
        .set(next_generation(renewed))
        .filter(connection::Column::Id.eq(id))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    if renewed.supersedes_at_once {
        let subject = ChangedSubject::Connection(claim.connection_id.clone());
        announce(transaction, &claim.workspace, &subject).await?;
    }
    Ok(())
}

fn next_generation(renewed: &Renewed) -> connection::ActiveModel {
    let credential = &renewed.credential;
    let (expiry, expire_time) = expiry_columns(credential.expiry);
    let connection_config = renewed.connection_config.as_ref().map(map_text);
    connection::ActiveModel {
        connection_config: connection_config.map_or(NotSet, Set),
        generation: Set(i64::from(credential.generation.0)),
        status: Set(ConnectionStatus::Authorized.as_str().to_owned()),
        status_reason: Set(String::new()),
        scopes: Set(list_text(&credential.scopes)),
        expiry: Set(expiry.to_owned()),
        expire_time: Set(expire_time),
        consecutive_failures: Set(0),
        last_failure: Set(None),
        last_failure_time: Set(None),
        ended_time: Set(None),
        retry_time: Set(None),
        accused_time: Set(None),
        uncertain_since: Set(None),
        renewal_time: Set(milliseconds(renewed.renewal_time)),
        refresh_time: Set(credential.receive_time.timestamp_millis()),
        ..Default::default()
    }
}

/// Whether this very credential was committed before: a commit whose answer was lost is tried again, and must then
/// be told that it succeeded, even where the next one is under way or done.
async fn is_committed(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    claim: &Claim,
    credential: &Credential,
) -> Result<bool, StorageError> {
    let key = (
        claim.connection_id.as_str().to_owned(),
        i64::from(credential.generation.0),
    );
    let workspace = claim.workspace.as_str();
    let stored = find_readable_credential(transaction, storage, workspace, key).await?;
    Ok(stored.is_some_and(|stored| {
        stored.access_token == credential.access_token
            && stored.refresh_token == credential.refresh_token
    }))
}
