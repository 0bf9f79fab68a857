//! The database's clock in unix milliseconds: the one clock that all replicas share.

use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use tokend_model::ports::StorageError;

use crate::{connect::clock, faults::by_meaning};

/// The time now, not that of the transaction's start, which may have waited for a lock since.
pub(crate) const POSTGRES_CLOCK: &str =
    "CAST(FLOOR(EXTRACT(EPOCH FROM clock_timestamp()) * 1000) AS BIGINT)";

/// Seconds with a fraction, as a whole number of milliseconds.
pub(crate) const SQLITE_CLOCK: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

#[derive(FromQueryResult)]
struct Reading {
    now: i64,
}

/// Reads the clock, in unix milliseconds.
pub(crate) async fn read<C: ConnectionTrait>(connection: &C) -> Result<i64, StorageError> {
    let backend = connection.get_database_backend();
    let query = format!("SELECT {} AS now", clock(backend));
    Reading::find_by_statement(Statement::from_string(backend, query))
        .one(connection)
        .await
        .map_err(by_meaning)?
        .map(|reading| reading.now)
        .ok_or(StorageError::Corrupt {
            what: "the database clock",
            why: "it gave no answer".to_owned(),
        })
}
