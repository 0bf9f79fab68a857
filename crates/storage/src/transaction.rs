//! Transactions: the one function that begins them.

use std::pin::Pin;

use sea_orm::{DatabaseTransaction, SqliteTransactionMode, TransactionOptions};
use tokend_model::ports::StorageError;

use crate::{
    Storage,
    changes::{Announcements, noticing},
    faults::by_meaning,
};

/// Whether a transaction has to be over by the time in which the database must answer.
#[derive(Clone, Copy)]
enum Length {
    Limited,
    Unlimited,
}

/// What is done inside a transaction.
pub(crate) type Work<'t, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 't>>;

impl Storage {
    /// Does the work in one transaction, committed if it succeeds and rolled back if not.
    ///
    /// It runs in a task of its own, to its end even if the caller goes away: a `begin()` that is cancelled (sqlx
    /// 0.9.0) would leave a connection inside a transaction in the pool. On SQLite it is a writer from its
    /// first statement, since turning from reader to writer fails where somebody else wrote in between.
    ///
    /// One whose database falls silent is given up; it may have been committed all the same.
    pub(crate) async fn transact<T, F>(&self, work: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t DatabaseTransaction) -> Work<'t, T> + Send + 'static,
    {
        self.carry_out(work, Length::Limited).await
    }

    /// The same for what may take as long as it needs.
    pub(crate) async fn transact_at_length<T, F>(&self, work: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t DatabaseTransaction) -> Work<'t, T> + Send + 'static,
    {
        self.carry_out(work, Length::Unlimited).await
    }

    async fn carry_out<T, F>(&self, work: F, length: Length) -> Result<T, StorageError>
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
            let used = database.current();
            let transaction = database.begin(&used, options).await.map_err(by_meaning)?;
            let whole = to_its_end(transaction, work, &announcements);
            match length {
                Length::Unlimited => whole.await,
                Length::Limited => database
                    .within_limit(&used, whole)
                    .await
                    .unwrap_or_else(|silent| Err(StorageError::Unavailable(Box::new(silent)))),
            }
        });
        // A panic's message is not repeated: it may hold what the work was about.
        task.await
            .unwrap_or_else(|_| Err(StorageError::Unavailable("its task ended early".into())))
    }
}

async fn to_its_end<T, F>(
    transaction: DatabaseTransaction,
    work: F,
    announcements: &Announcements,
) -> Result<T, StorageError>
where
    F: for<'t> FnOnce(&'t DatabaseTransaction) -> Work<'t, T>,
{
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
}
