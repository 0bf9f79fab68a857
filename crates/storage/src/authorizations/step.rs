//! The steps of an attempt: each a compare-and-swap on its state, so that it is taken at most once.

use std::time::Duration;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait,
    QueryFilter, QuerySelect, sea_query::LockType,
};
use tokend_model::{
    AuthorizationId, AuthorizationState, Completion, PendingCode, PendingDevice, PendingGrant,
    WorkspaceName,
    ports::{ReturnedState, StorageError},
};

use super::answer;
use crate::{
    Storage,
    columns::{map_text, time},
    entities::authorization::{ActiveModel, Column, Entity, Model},
    faults::{by_meaning, corrupt},
    sealed::{CODE, PKCE_VERIFIER, SealedRow},
};

/// Changes an attempt if it meets the condition; whether it did.
pub(crate) async fn step<C: ConnectionTrait>(
    connection: &C,
    workspace: &WorkspaceName,
    id: &AuthorizationId,
    from: Condition,
    change: ActiveModel,
) -> Result<bool, StorageError> {
    let result = Entity::update_many()
        .set(change)
        .filter(Column::Id.eq(id.as_str()))
        .filter(Column::Workspace.eq(workspace.as_str()))
        .filter(from)
        .exec(connection)
        .await
        .map_err(by_meaning)?;
    Ok(result.rows_affected == 1)
}

/// That an attempt is in a state.
pub(crate) fn is_in(state: AuthorizationState) -> Condition {
    Condition::all().add(Column::State.eq(state.as_str()))
}

/// That an attempt can still go on.
pub(crate) fn is_not_final() -> Condition {
    Condition::all().add(Column::State.is_not_in([
        AuthorizationState::Completed.as_str(),
        AuthorizationState::Denied.as_str(),
        AuthorizationState::Failed.as_str(),
    ]))
}

/// The change to a state; final ones erase what is sealed and what could still be redeemed.
pub(crate) fn to_state(state: AuthorizationState) -> ActiveModel {
    let mut change = ActiveModel {
        state: Set(state.as_str().to_owned()),
        ..Default::default()
    };
    if state.is_final() {
        change.pkce_verifier = Set(None);
        change.code = Set(None);
        change.answer = Set(None);
        change.state_hash = Set(None);
        change.completion_hash = Set(None);
        change.browser_hash = Set(None);
    }
    change
}

/// Ends an attempt with the connection it led to, inside the transaction that makes it. Only one whose code was
/// being redeemed can end so; any other undoes the transaction.
pub(crate) async fn complete(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    id: &AuthorizationId,
    connection_id: &str,
) -> Result<(), StorageError> {
    let mut change = to_state(AuthorizationState::Completed);
    change.connection_id = Set(Some(connection_id.to_owned()));
    change.failure_reason = Set(String::new());
    let from = is_in(AuthorizationState::Completing);
    if step(transaction, workspace, id, from, change).await? {
        Ok(())
    } else {
        Err(StorageError::Changed)
    }
}

/// Uses a state up: whoever comes second finds nothing.
pub(crate) async fn take_state(
    transaction: &DatabaseTransaction,
    state_hash: &[u8],
) -> Result<Option<ReturnedState>, StorageError> {
    let found = Entity::find()
        .filter(Column::StateHash.eq(state_hash))
        .lock(LockType::NoKeyUpdate)
        .one(transaction)
        .await
        .map_err(by_meaning)?;
    let Some(row) = found else {
        return Ok(None);
    };
    let taken = Entity::update_many()
        .set(ActiveModel {
            state_hash: Set(None),
            ..Default::default()
        })
        .filter(Column::Id.eq(&row.id))
        .filter(Column::StateHash.eq(state_hash))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    if taken.rows_affected != 1 {
        return Ok(None);
    }
    let browser_hash = present("authorizations.browser_hash", row.browser_hash.clone())?;
    Ok(Some(ReturnedState {
        authorization: row.read()?,
        browser_hash,
    }))
}

/// Keeps the code, and the completion token's hash unless there is one since the start; answers whether there is.
pub(crate) async fn store_code(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    id: &AuthorizationId,
    code: Vec<u8>,
    pending: PendingCode,
) -> Result<Option<bool>, StorageError> {
    let mut change = to_state(AuthorizationState::AwaitingCompletion);
    change.code = Set(Some(code));
    change.connection_config = Set(map_text(&pending.connection_config));
    let from = is_in(AuthorizationState::AwaitingConsent);
    if !step(transaction, workspace, id, from, change).await? {
        return Ok(None);
    }
    let change = ActiveModel {
        completion_hash: Set(Some(pending.completion_hash)),
        ..Default::default()
    };
    let without = Condition::all().add(Column::CompletionHash.is_null());
    let stored = step(transaction, workspace, id, without, change).await?;
    Ok(Some(!stored))
}

/// Hands out what there is to complete with, if the attempt awaits completion under this hash.
pub(crate) async fn begin_completion(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    workspace: &WorkspaceName,
    id: &AuthorizationId,
    completion_hash: &[u8],
) -> Result<Option<Completion>, StorageError> {
    let from = is_in(AuthorizationState::AwaitingCompletion)
        .add(Column::CompletionHash.eq(completion_hash));
    let change = to_state(AuthorizationState::Completing);
    if !step(transaction, workspace, id, from, change).await? {
        return Ok(None);
    }
    let found = Entity::find_by_id(id.as_str())
        .one(transaction)
        .await
        .map_err(by_meaning)?;
    found
        .map(|row| completion(row, storage, workspace))
        .transpose()
}

fn completion(
    row: Model,
    storage: &Storage,
    workspace: &WorkspaceName,
) -> Result<Completion, StorageError> {
    let id = row.id.clone();
    let sealed = SealedRow::new(&storage.keyring, workspace, &id);
    let grant = match (&row.answer, row.poll_interval, row.poll_time) {
        (Some(answer), _, _) => PendingGrant::Answer(Box::new(answer::open(&sealed, answer)?)),
        (None, Some(interval), Some(poll_time)) => PendingGrant::Device(PendingDevice {
            device_code: sealed.open(CODE, &present(CODE, row.code.clone())?)?,
            poll_interval: Duration::from_millis(interval.unsigned_abs()),
            poll_time: time("authorizations.poll_time", poll_time)?,
        }),
        _ => PendingGrant::Code {
            code: sealed.open(CODE, &present(CODE, row.code.clone())?)?,
            pkce_verifier: sealed.open(
                PKCE_VERIFIER,
                &present(PKCE_VERIFIER, row.pkce_verifier.clone())?,
            )?,
            redirect_uri: present("authorizations.redirect_uri", row.redirect_uri.clone())?,
        },
    };
    Ok(Completion {
        grant,
        authorization: row.read()?,
    })
}

/// What is kept of a device's next poll.
pub(crate) fn to_poll(change: &mut ActiveModel, device: &PendingDevice) {
    let interval = i64::try_from(device.poll_interval.as_millis()).unwrap_or(i64::MAX);
    change.poll_interval = Set(Some(interval));
    change.poll_time = Set(Some(device.poll_time.timestamp_millis()));
}

fn present<T>(what: &'static str, value: Option<T>) -> Result<T, StorageError> {
    value.ok_or_else(|| corrupt(what, "it is missing"))
}
