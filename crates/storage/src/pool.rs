//! The pool of connections to the database, and how long anybody waits for an answer on one.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use sea_orm::{
    ConnAcquireErr, ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection,
    DatabaseTransaction, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, TransactionOptions,
    TransactionTrait,
};
use tokio::time::{Instant, timeout};

/// Connections to one database. A server that says no more would be waited for until TCP gives up, a quarter of an
/// hour: the server's own limits do not help then, and neither does dropping what waits, since sqlx 0.9.0 asks a
/// connection without a limit whether it still works before it takes it back. So all of them are replaced.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    current: ArcSwap<DatabaseConnection>,
    renewal: Option<Renewal>,
}

/// How to replace what fell silent.
struct Renewal {
    options: ConnectOptions,
    limit: Duration,
    /// When something was last heard.
    answered: Mutex<Instant>,
}

/// The database said nothing for longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("the database does not answer")]
pub(crate) struct Silent;

impl Pool {
    /// Connects. With a `limit` no statement and no transaction takes longer, besides one that may; SQLite needs none,
    /// and must not be cut in the middle of a commit.
    pub(crate) async fn connect(
        mut options: ConnectOptions,
        limit: Option<Duration>,
    ) -> Result<Self, DbErr> {
        let current = Database::connect(options.clone()).await?;
        options.connect_lazy(true);
        Ok(Self(Arc::new(Shared {
            current: ArcSwap::from_pointee(current),
            renewal: limit.map(|limit| Renewal {
                options,
                limit,
                answered: Mutex::new(Instant::now()),
            }),
        })))
    }

    /// The connections in use now, for what needs no limit or keeps to one of its own.
    pub(crate) fn current(&self) -> Arc<DatabaseConnection> {
        self.0.current.load_full()
    }

    /// Begins a transaction on one of `used`.
    pub(crate) async fn begin(
        &self,
        used: &Arc<DatabaseConnection>,
        options: TransactionOptions,
    ) -> Result<DatabaseTransaction, DbErr> {
        self.answer(used, used.begin_with_options(options)).await
    }

    /// Does what is done on one of `used`, within the limit; past it, nobody uses any of them any more.
    pub(crate) async fn within_limit<T>(
        &self,
        used: &Arc<DatabaseConnection>,
        work: impl Future<Output = T>,
    ) -> Result<T, Silent> {
        let Some(renewal) = &self.0.renewal else {
            return Ok(work.await);
        };
        let mut work = pin!(work);
        if let Ok(done) = timeout(renewal.limit, &mut work).await {
            return Ok(done);
        }
        tracing::warn!("the database does not answer; connecting again");
        // Before the work is dropped, and gives its connection back.
        self.replace(renewal, used).await;
        Err(Silent)
    }

    async fn answer<T>(
        &self,
        used: &Arc<DatabaseConnection>,
        question: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let result = self
            .within_limit(used, question)
            .await
            .unwrap_or_else(|silent| Err(DbErr::Conn(RuntimeErr::Internal(silent.to_string()))));
        let Some(renewal) = &self.0.renewal else {
            return result;
        };
        match &result {
            Ok(_) => renewal.heard(),
            // Where nobody waited until the limit, all may still be occupied by what was given up.
            Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)) if renewal.is_silent() => {
                self.replace(renewal, used).await;
            }
            Err(_) => {}
        }
        result
    }

    /// Puts new ones in the place of `used`, unless somebody did so before.
    async fn replace(&self, renewal: &Renewal, used: &Arc<DatabaseConnection>) {
        let new = match Database::connect(renewal.options.clone()).await {
            Ok(new) => Arc::new(new),
            Err(error) => {
                tracing::error!(%error, "the connections to the database cannot be replaced");
                return;
            }
        };
        let previous = self.0.current.compare_and_swap(used, new);
        if Arc::ptr_eq(&previous, used) {
            abandon(used);
        }
    }
}

impl Renewal {
    fn heard(&self) {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn is_silent(&self) -> bool {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.elapsed() >= self.limit
    }
}

/// Closes them all: those in use when they are given back, unasked.
fn abandon(connections: &DatabaseConnection) {
    let pool = connections.get_postgres_connection_pool();
    // Closing the pool would wait for those in use first.
    while let Some(mut idle) = pool.try_acquire() {
        idle.close_on_drop();
    }
    // It is closed from this call on; the future only waits for the end of it.
    drop(pool.close());
}

#[async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.0.current.load().get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let used = self.current();
        self.answer(&used, used.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let used = self.current();
        self.answer(&used, used.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let used = self.current();
        self.answer(&used, used.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let used = self.current();
        self.answer(&used, used.query_all_raw(statement)).await
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.current()).finish()
    }
}
