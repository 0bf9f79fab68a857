//! Siblings: one consent's tokens, each a connection of its own beside the main one.

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::LockType,
};
use tokend_model::{
    Account, Connection, ConnectionId, ConnectionStatus, Timestamp, WorkspaceName,
    ports::{NewConnection, NewSibling, StorageError},
};

use super::{
    connect::{MAIN, of_owner, store},
    end::revoke_locked,
    locked::lock_connection,
};
use crate::{
    Storage,
    entities::connection::{Column, Entity, Model},
    faults::by_meaning,
};

/// Why a sibling ended whose token did not come again.
const NOT_GRANTED: &str = "SCOPE_NOT_GRANTED";

/// The siblings that an owner's connection has, locked. The main one is locked before, by whoever writes any of them.
pub(super) async fn lock_siblings(
    transaction: &DatabaseTransaction,
    new: &NewConnection,
) -> Result<Vec<Model>, StorageError> {
    beside(of_owner(new), transaction, LockType::NoKeyUpdate).await
}

/// Stores the tokens that came with a connection's own, and ends those that did not come again.
pub(super) async fn store_siblings(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    new: &NewConnection,
    main: &Connection,
    mut present: Vec<Model>,
    now: Timestamp,
) -> Result<(), StorageError> {
    for sibling in new.siblings.iter().flatten() {
        let place = present.iter().position(|row| row.token == sibling.token);
        let existing = place.map(|place| present.swap_remove(place));
        let token = sibling.token.as_str();
        let sibling = beside_main(new, main, sibling);
        store(transaction, storage, &sibling, token, existing, now).await?;
    }
    let revoked = ConnectionStatus::Revoked.as_str();
    for row in present.into_iter().filter(|row| row.status != revoked) {
        revoke_locked(transaction, storage, row, NOT_GRANTED).await?;
    }
    Ok(())
}

/// The connection and its siblings, locked, the one that was named first; nothing if that is not there. A grant that has
/// yet to prove good is nobody's sibling.
pub(super) async fn lock_all(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    id: &ConnectionId,
    lock: LockType,
) -> Result<Vec<Model>, StorageError> {
    let named = Entity::find_by_id(id.as_str())
        .filter(Column::Workspace.eq(workspace.as_str()))
        .one(transaction)
        .await
        .map_err(by_meaning)?;
    let Some(named) = named else {
        return Ok(Vec::new());
    };
    if Connection::is_staged(&named.token) {
        let locked = lock_connection(transaction, workspace, id, lock).await?;
        return Ok(locked.into_iter().collect());
    }
    let whole = Entity::find()
        .filter(Column::Workspace.eq(&named.workspace))
        .filter(Column::ConnectorId.eq(&named.connector_id))
        .filter(Column::OwnerKind.eq(&named.owner_kind))
        .filter(Column::OwnerUser.eq(&named.owner_user))
        .filter(Column::Label.eq(&named.label));
    // The main one by itself: whoever adds a sibling holds it, and what they added is seen only by a later statement.
    let main = whole
        .clone()
        .filter(Column::Token.eq(MAIN))
        .lock(lock)
        .one(transaction)
        .await
        .map_err(by_meaning)?;
    let mut all: Vec<Model> = main.into_iter().collect();
    all.extend(beside(whole, transaction, lock).await?);
    let Some(place) = all.iter().position(|row| row.id == named.id) else {
        return Ok(Vec::new());
    };
    if let Some(first) = all.get_mut(..=place) {
        first.rotate_right(1);
    }
    Ok(all)
}

/// In one order everywhere.
async fn beside(
    whole: Select<Entity>,
    transaction: &DatabaseTransaction,
    lock: LockType,
) -> Result<Vec<Model>, StorageError> {
    let mut found = whole
        .filter(Column::Token.ne(MAIN))
        .order_by_asc(Column::Token)
        .lock(lock)
        .all(transaction)
        .await
        .map_err(by_meaning)?;
    found.retain(|row| !Connection::is_staged(&row.token));
    Ok(found)
}

/// Whose account it is only its own token tells, so that an old refresh token of it never stays.
fn beside_main(new: &NewConnection, main: &Connection, sibling: &NewSibling) -> NewConnection {
    NewConnection {
        id: sibling.id.clone(),
        account: Account::default(),
        answer: sibling.answer.clone(),
        scopes: sibling.scopes.clone(),
        tags: Some(main.tags.clone()),
        keep_refresh_token: false,
        renewal_time: sibling.renewal_time,
        authorization: None,
        siblings: None,
        ..new.clone()
    }
}
