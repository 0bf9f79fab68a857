//! What the driver says, by its meaning for the use cases.

use sea_orm::{DbErr, SqlErr};
use tokend_model::ports::StorageError;

/// A driver's error by meaning; its words stay in the source, for the log.
pub(crate) fn by_meaning(error: DbErr) -> StorageError {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => StorageError::Exists,
        // The row that was pointed at went away in the meantime.
        Some(SqlErr::ForeignKeyConstraintViolation(_)) => StorageError::Changed,
        _ => StorageError::Unavailable(Box::new(error)),
    }
}

/// A value in the database that is not of its kind.
pub(crate) fn corrupt(what: &'static str, why: impl ToString) -> StorageError {
    StorageError::Corrupt {
        what,
        why: why.to_string(),
    }
}
