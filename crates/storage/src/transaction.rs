//! Transactions: the one function that begins them.

use std::pin::Pin;

use sea_orm::{DatabaseTransaction, SqliteTransactionMode, TransactionOptions, TransactionTrait};
use tokend_model::ports::StorageError;

use crate::{Storage, changes::noticing, faults::by_meaning};

/// What is done inside a transaction.
pub(crate) type Work<'t, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 't>>;

impl Storage {
    /// Does the work in one transaction, committed if it succeeds and rolled back if not.
    ///
    /// It runs in a task of its own, to its end even if the caller goes away: a `begin()` that is cancelled (sqlx
    /// 0.9.0) would leave a connection inside a transaction in the pool. On SQLite it is a writer from its
    /// first statement, since turning from reader to writer fails where somebody else wrote in between.
    pub(crate) async fn transact<T, F>(&self, work: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t DatabaseTransaction) -> Work<'t, T> + Send + 'static,
    {
        let (database, announcements) = (self.database.clone(), self.announcements.clone());
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let task = tokio::spawn(async move {
            let transaction = database
                .begin_with_options(options)
                .await
                .map_err(by_meaning)?;
            let (result, announced) = noticing(work(&transaction)).await;
            match result {
                Ok(done) => {
                    transaction.commit().await.map_err(by_meaning)?;
                    if announced {
                        announcements.committed();
                    }
                    Ok(done)
                }
                Err(error) => {
                    // Where this fails too the connection is broken, and the pool drops it.
                    if let Err(rollback) = transaction.rollback().await {
                        tracing::debug!(error = %rollback, "a transaction could not be rolled back");
                    }
                    Err(error)
                }
            }
        });
        task.await
            .unwrap_or_else(|error| Err(StorageError::Unavailable(Box::new(error))))
    }
}
