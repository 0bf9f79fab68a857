//! Answers that came too late to be committed: kept sealed, since one may hold the only refresh token that is alive.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, Select,
    sea_query::{Expr, ExprTrait},
};
use tokend_keyring::Keyring;
use tokend_model::{
    Credential, Generation,
    ports::{Claim, Orphan, StorageError},
};
use uuid::Uuid;

use super::of_connection;
use crate::{
    columns::count,
    connect::clock,
    connections::row::{open_credential, seal_credential},
    database_clock,
    entities::{
        credential,
        orphan::{Column, Entity, Model},
    },
    faults::by_meaning,
    sealed::{ORPHAN_TOKENS, SealedRow},
};

/// How long they are kept: 30 days in milliseconds.
const KEPT: i64 = 30 * 24 * 60 * 60 * 1000;

/// Keeps what an attempt received, once: a repetition is known by its attempt and access token. What is `spent` is never
/// tried.
pub(crate) async fn keep(
    transaction: &DatabaseTransaction,
    keyring: &Keyring,
    claim: &Claim,
    credential: &Credential,
    spent: bool,
) -> Result<(), StorageError> {
    let of_attempt = of_connection(&claim.connection_id)
        .filter(Column::BaseGeneration.eq(i64::from(claim.base.0)))
        .filter(Column::Epoch.eq(claim.epoch));
    let kept = newest_first(transaction, of_attempt, keyring).await?;
    if kept
        .iter()
        .any(|orphan| orphan.credential.access_token == credential.access_token)
    {
        return Ok(());
    }
    let id = Uuid::now_v7().to_string();
    let sealing = SealedRow {
        keyring,
        workspace: claim.workspace.as_str(),
        id: &id,
        generation: credential.generation.0,
    };
    let connection_id = claim.connection_id.as_str();
    let sealed = seal_credential(connection_id, credential, &sealing, &ORPHAN_TOKENS)?;
    let row = Model {
        id: id.clone(),
        workspace: sealed.workspace,
        connection_id: sealed.connection_id,
        base_generation: i64::from(claim.base.0),
        epoch: claim.epoch,
        access_token: sealed.access_token,
        token_type: sealed.token_type,
        refresh_token: sealed.refresh_token,
        expiry: sealed.expiry,
        expire_time: sealed.expire_time,
        refresh_expire_time: sealed.refresh_expire_time,
        scopes: sealed.scopes,
        receive_time: sealed.receive_time,
        tried: spent,
        create_time: database_clock::read(transaction).await?,
    };
    Entity::insert(row.into_active_model())
        .exec_without_returning(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}

/// Those of a query that can be read, newest first: one that cannot must not keep the others from being tried.
pub(crate) async fn newest_first<C: ConnectionTrait>(
    connection: &C,
    query: Select<Entity>,
    keyring: &Keyring,
) -> Result<Vec<Orphan>, StorageError> {
    let rows = query
        .order_by_desc(Column::CreateTime)
        .order_by_desc(Column::Id)
        .all(connection)
        .await
        .map_err(by_meaning)?;
    let readable = rows.into_iter().filter_map(|row| {
        let (id, of) = (row.id.clone(), row.connection_id.clone());
        read(row, keyring)
            .inspect_err(|error| {
                tracing::warn!(orphan = id, connection = of, %error, "an orphan is left out unread");
            })
            .ok()
    });
    Ok(readable.collect())
}

/// Removes those that were kept long enough; answers how many.
pub(crate) async fn purge<C: ConnectionTrait>(connection: &C) -> Result<u64, StorageError> {
    let now = Expr::cust(clock(connection.get_database_backend()));
    let result = Entity::delete_many()
        .filter(Expr::col(Column::CreateTime).lt(now.sub(KEPT)))
        .exec(connection)
        .await
        .map_err(by_meaning)?;
    Ok(result.rows_affected)
}

fn read(row: Model, keyring: &Keyring) -> Result<Orphan, StorageError> {
    let base = Generation(count("orphans.base_generation", row.base_generation)?);
    let (id, workspace) = (row.id, row.workspace);
    let sealed = SealedRow {
        keyring,
        workspace: &workspace,
        id: &id,
        generation: base.next().0,
    };
    let credential = credential::Model {
        connection_id: row.connection_id,
        generation: i64::from(base.next().0),
        workspace: workspace.clone(),
        access_token: row.access_token,
        token_type: row.token_type,
        refresh_token: row.refresh_token,
        expiry: row.expiry,
        expire_time: row.expire_time,
        refresh_expire_time: row.refresh_expire_time,
        scopes: row.scopes,
        receive_time: row.receive_time,
        source: None,
    };
    Ok(Orphan {
        credential: open_credential(credential, &sealed, &ORPHAN_TOKENS)?,
        id: id.clone(),
        tried: row.tried,
    })
}
