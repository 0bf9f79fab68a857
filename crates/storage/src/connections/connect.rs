//! Storing a token set from outside: connection, credential and the end of the authorization together.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
    Select,
    sea_query::LockType,
};
use tokend_model::{
    Connection, ConnectionStatus, Credential, Generation, Timestamp,
    ports::{ChangedSubject, NewConnection, StorageError},
};

use super::{
    locked::{close_claims, delete_credentials, readable_credential},
    row::{read_connection, write_credential},
    siblings::{lock_siblings, store_siblings},
    tags::{self, Tags},
};
use crate::{
    Storage,
    authorizations::complete,
    changes::announce,
    columns::{expiry_columns, list_text, map_text, milliseconds, owner_columns},
    entities::{connection, connection_usage, connector, credential},
    faults::{by_meaning, corrupt},
};

/// The `token` of a connection that holds what its provider issues first.
pub(super) const MAIN: &str = "";

/// Does it all inside one transaction.
pub(crate) async fn connect(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    new: &NewConnection,
    now: Timestamp,
) -> Result<Connection, StorageError> {
    let existing = lock_existing(transaction, new).await?;
    let beside = match &new.siblings {
        Some(_) => lock_siblings(transaction, new).await?,
        None => Vec::new(),
    };
    let main = store(transaction, storage, new, MAIN, existing, now).await?;
    store_siblings(transaction, storage, new, &main, beside, now).await?;
    Ok(main)
}

/// The owner's connection, locked. One at a time under a connector: two first connections of one owner must not both
/// be inserted.
pub(super) async fn lock_existing(
    transaction: &DatabaseTransaction,
    new: &NewConnection,
) -> Result<Option<connection::Model>, StorageError> {
    lock_connector(transaction, new).await?;
    let main = of_owner(new).filter(connection::Column::Token.eq(MAIN));
    main.lock(LockType::NoKeyUpdate)
        .one(transaction)
        .await
        .map_err(by_meaning)
}

/// The connections of the same owner and label under the connector: one for each token.
pub(super) fn of_owner(new: &NewConnection) -> Select<connection::Entity> {
    let (owner_kind, owner_user) = owner_columns(&new.owner);
    connection::Entity::find()
        .filter(connection::Column::Workspace.eq(new.workspace.as_str()))
        .filter(connection::Column::ConnectorId.eq(new.connector_id.as_str()))
        .filter(connection::Column::OwnerKind.eq(owner_kind))
        .filter(connection::Column::OwnerUser.eq(owner_user))
        .filter(connection::Column::Label.eq(new.label.as_str()))
}

/// Stores the token set in place of what is there.
pub(super) async fn store(
    transaction: &DatabaseTransaction,
    storage: &Storage,
    new: &NewConnection,
    token: &str,
    existing: Option<connection::Model>,
    now: Timestamp,
) -> Result<Connection, StorageError> {
    let previous = match &existing {
        // Needed only where its refresh token may stay.
        Some(row) if new.keep_refresh_token && new.answer.refresh_token.is_none() => {
            readable_credential(transaction, storage, row).await?
        }
        _ => None,
    };
    let row = new_row(new, token, existing.as_ref(), now);
    let generation = u32::try_from(row.generation)
        .map(Generation)
        .map_err(|_| corrupt("connections.generation", "it is out of range"))?;
    let usage = if existing.is_some() {
        let mut change = row.clone().into_active_model().reset_all();
        change.id = NotSet;
        connection::Entity::update_many()
            .set(change)
            .filter(connection::Column::Id.eq(&row.id))
            .exec(transaction)
            .await
            .map_err(by_meaning)?;
        close_claims(transaction, &row.id).await?;
        delete_credentials(transaction, &row.id).await?;
        find_usage(transaction, &row.id).await?
    } else {
        insert(transaction, &row).await?;
        None
    };
    let credential = new_credential(new, generation, previous);
    let sealed = write_credential(
        &new.workspace,
        &row.id,
        &credential,
        new.source,
        &storage.keyring,
    )?;
    credential::Entity::insert(sealed.into_active_model())
        .exec_without_returning(transaction)
        .await
        .map_err(by_meaning)?;
    if let Some(given) = &new.tags {
        tags::replace(transaction, &row.workspace, &row.id, given).await?;
    }
    let tags = match (&new.tags, &existing) {
        (Some(given), _) => given.clone(),
        (None, Some(row)) => tags::of_one(transaction, &row.id).await?,
        (None, None) => Tags::new(),
    };
    let connection = read_connection(row, usage, tags)?;
    if connection.generation != Generation::FIRST {
        let subject = ChangedSubject::Connection(connection.id.clone());
        announce(transaction, &new.workspace, &subject).await?;
    }
    if let Some(authorization) = &new.authorization {
        complete(
            transaction,
            &new.workspace,
            authorization,
            connection.id.as_str(),
        )
        .await?;
    }
    Ok(connection)
}

async fn lock_connector(
    transaction: &DatabaseTransaction,
    new: &NewConnection,
) -> Result<(), StorageError> {
    let key = (
        new.workspace.as_str().to_owned(),
        new.connector_id.as_str().to_owned(),
    );
    connector::Entity::find_by_id(key)
        .lock(LockType::NoKeyUpdate)
        .one(transaction)
        .await
        .map_err(by_meaning)?
        .map(|_| ())
        .ok_or(StorageError::Changed)
}

/// How often a connection was used.
pub(super) async fn find_usage(
    transaction: &DatabaseTransaction,
    connection_id: &str,
) -> Result<Option<connection_usage::Model>, StorageError> {
    connection_usage::Entity::find_by_id(connection_id)
        .one(transaction)
        .await
        .map_err(by_meaning)
}

async fn insert(
    transaction: &DatabaseTransaction,
    row: &connection::Model,
) -> Result<(), StorageError> {
    connection::Entity::insert(row.clone().into_active_model())
        .exec_without_returning(transaction)
        .await
        .map_err(by_meaning)?;
    // From the start, so that counting a use is an update and never asks for the connection's own row.
    connection_usage::Entity::insert(connection_usage::ActiveModel {
        connection_id: Set(row.id.clone()),
        workspace: Set(row.workspace.clone()),
        use_count: Set(0),
        last_use_time: Set(None),
    })
    .exec_without_returning(transaction)
    .await
    .map_err(by_meaning)?;
    Ok(())
}

fn new_row(
    new: &NewConnection,
    token: &str,
    existing: Option<&connection::Model>,
    now: Timestamp,
) -> connection::Model {
    let (owner_kind, owner_user) = owner_columns(&new.owner);
    let (expiry, expire_time) = expiry_columns(new.answer.expiry);
    connection::Model {
        id: existing.map_or_else(|| new.id.as_str().to_owned(), |row| row.id.clone()),
        workspace: new.workspace.as_str().to_owned(),
        connector_id: new.connector_id.as_str().to_owned(),
        integration_type: new.integration_type.as_str().to_owned(),
        owner_kind: owner_kind.to_owned(),
        owner_user: owner_user.to_owned(),
        label: new.label.as_str().to_owned(),
        token: token.to_owned(),
        status: ConnectionStatus::Authorized.as_str().to_owned(),
        status_reason: String::new(),
        account_id: new.account.id.clone(),
        account_email: new.account.email.clone(),
        account_name: new.account.name.clone(),
        connection_config: map_text(&new.connection_config),
        scopes: list_text(&new.scopes),
        generation: existing.map_or(i64::from(Generation::FIRST.0), |row| {
            row.generation.saturating_add(1)
        }),
        expiry: expiry.to_owned(),
        expire_time,
        consecutive_failures: 0,
        last_failure: None,
        last_failure_time: None,
        retry_time: None,
        accused_time: None,
        renewal_time: milliseconds(new.renewal_time),
        uncertain_since: None,
        create_time: existing.map_or(now.timestamp_millis(), |row| row.create_time),
        authorize_time: now.timestamp_millis(),
        refresh_time: new.answer.receive_time.timestamp_millis(),
        ended_time: None,
    }
}

fn new_credential(
    new: &NewConnection,
    generation: Generation,
    previous: Option<Credential>,
) -> Credential {
    let answer = &new.answer;
    let (refresh_token, refresh_expire_time) = match (&answer.refresh_token, previous) {
        (None, Some(previous)) => (previous.refresh_token, previous.refresh_expire_time),
        (given, _) => (given.clone(), answer.refresh_expire_time),
    };
    Credential {
        generation,
        access_token: answer.access_token.clone(),
        token_type: answer.token_type.clone(),
        refresh_token,
        expiry: answer.expiry,
        refresh_expire_time,
        scopes: new.scopes.clone(),
        receive_time: answer.receive_time,
    }
}
