//! Opening the database: the one place that knows which of the two it is.

use std::{fs::OpenOptions, io, path::Path, sync::Arc, time::Duration};

use sea_orm::{
    ConnectOptions, DatabaseBackend,
    sqlx::{
        self, Connection, Executor,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};
use tokend_keyring::Keyring;
use tokend_model::Secret;
use tokio::time::timeout;

use crate::{
    Storage,
    database_clock::{POSTGRES_CLOCK, SQLITE_CLOCK},
    pool::Pool,
};

/// Commits are on the disk, and on the synchronous standby where there is one, before they are answered, whatever the
/// server's default; one that asks for more stays as it is.
const DURABLE_COMMITS: &str = "SELECT set_config('synchronous_commit', \
    CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)";

/// An answer to what the database was asked may be on its way for this long.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct StorageOptions {
    /// `sqlite:path?mode=rwc`, or `postgres://user:password@host/database`.
    pub url: Secret,
    /// The most connections of the pool.
    pub max_connections: u32,
    /// How long one waits for a free connection of the pool, and for a new one to be made.
    pub acquire_timeout: Duration,
    /// How long one statement may take; on SQLite, how long it waits for another writer. A PostgreSQL that does not
    /// even say so is given up soon after.
    pub statement_timeout: Duration,
}

/// Why there is no database to work with.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL names neither of the two databases.
    #[error("the database URL must begin with sqlite: or postgres://")]
    UnknownDatabase,
    /// The SQLite file cannot be made.
    #[error("the database file {0} cannot be made")]
    File(String, #[source] io::Error),
    /// The database cannot be reached or does not let us in.
    #[error("the database cannot be opened")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StorageOptions {
    /// The usual figures for a URL.
    pub fn new(url: Secret) -> Self {
        Self {
            url,
            max_connections: 10,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(10),
        }
    }
}

impl Storage {
    /// Opens the database. It changes nothing in it; an SQLite file that is not there yet is made, for its owner's
    /// eyes only.
    pub async fn connect(
        options: StorageOptions,
        keyring: Arc<Keyring>,
    ) -> Result<Self, ConnectError> {
        let url = options.url.expose();
        let mut connect = ConnectOptions::new(url);
        connect
            .max_connections(options.max_connections)
            .acquire_timeout(options.acquire_timeout)
            .connect_timeout(options.acquire_timeout)
            // Statements may carry what nobody should read in a log.
            .sqlx_logging(false)
            .record_stmt_in_spans(false);
        let limit = if url.starts_with("sqlite:") {
            make_private_file(url)?;
            let busy_timeout = options.statement_timeout;
            connect.map_sqlx_sqlite_opts(move |sqlite| durable(sqlite, busy_timeout));
            None
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let statement_timeout = options.statement_timeout.as_millis().to_string();
            connect.map_sqlx_postgres_opts(move |postgres| {
                postgres.application_name("tokend").options([
                    ("statement_timeout", statement_timeout.as_str()),
                    (
                        "idle_in_transaction_session_timeout",
                        statement_timeout.as_str(),
                    ),
                ])
            });
            connect.map_sqlx_postgres_pool_opts(|pool| {
                pool.after_connect(|connection, _| {
                    Box::pin(async move { connection.execute(DURABLE_COMMITS).await.map(drop) })
                })
                .test_before_acquire(false)
                .before_acquire(|connection, _| {
                    Box::pin(async move {
                        let answered = timeout(ON_ITS_WAY, connection.ping()).await;
                        let silent = |_| io::Error::from(io::ErrorKind::TimedOut);
                        answered.map_err(silent).map_err(sqlx::Error::from)??;
                        Ok(true)
                    })
                })
            });
            let answered = options.statement_timeout.max(options.acquire_timeout);
            Some(answered.saturating_add(ON_ITS_WAY))
        } else {
            return Err(ConnectError::UnknownDatabase);
        };
        let database = Pool::connect(connect, limit)
            .await
            .map_err(|error| ConnectError::Unavailable(Box::new(error)))?;
        Ok(Self {
            database,
            keyring,
            announcements: Arc::default(),
            seen: Arc::default(),
        })
    }
}

/// Makes other migrations of the same database wait until this transaction ends; SQLite's write lock does that
/// by itself. There is no limit to the waiting: the first of several replicas may have much to do.
pub(crate) fn migration_lock(backend: DatabaseBackend) -> Option<&'static str> {
    match backend {
        DatabaseBackend::Postgres => Some(
            "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(hashtext('tokend migrations'))",
        ),
        _ => None,
    }
}

/// Lets the statements of this transaction take as long as they need: for those that go through a whole table.
pub(crate) fn no_time_limit(backend: DatabaseBackend) -> Option<&'static str> {
    match backend {
        DatabaseBackend::Postgres => Some("SET LOCAL statement_timeout = 0"),
        _ => None,
    }
}

/// The SQL expression of the database's own clock.
pub(crate) fn clock(backend: DatabaseBackend) -> &'static str {
    match backend {
        DatabaseBackend::Postgres => POSTGRES_CLOCK,
        _ => SQLITE_CLOCK,
    }
}

/// A commit that was answered survives a power cut; writers queue instead of failing.
fn durable(options: SqliteConnectOptions, busy_timeout: Duration) -> SqliteConnectOptions {
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(busy_timeout)
        .foreign_keys(true)
}

/// SQLite gives its journals the permissions of the database file.
fn make_private_file(url: &str) -> Result<(), ConnectError> {
    let parsed: SqliteConnectOptions = url
        .parse()
        .map_err(|error: sea_orm::sqlx::Error| ConnectError::Unavailable(Box::new(error)))?;
    let path = parsed.get_filename();
    let may_create = url
        .split_once('?')
        .is_some_and(|(_, query)| query.split('&').any(|pair| pair == "mode=rwc"));
    if !may_create || path == Path::new(":memory:") {
        return Ok(());
    }
    let mut file = OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    match file.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(ConnectError::File(path.display().to_string(), error)),
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::{
        ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Statement, TransactionTrait,
    };
    use tokend_keyring::generate_key_line;

    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    /// Transactions at the same time: each has a connection of the pool to itself.
    async fn pooled(url: &str) -> Result<Vec<DatabaseTransaction>, Box<dyn std::error::Error>> {
        let (_, line) = generate_key_line()?;
        let keyring = Arc::new(Keyring::parse(line.expose())?);
        let mut options = StorageOptions::new(Secret::new(url));
        options.max_connections = 3;
        options.statement_timeout = Duration::from_millis(7_500);
        let storage = Storage::connect(options, keyring).await?;
        let mut connections = Vec::new();
        for _ in 0..3 {
            connections.push(storage.database.current().begin().await?);
        }
        Ok(connections)
    }

    async fn row(connection: &DatabaseTransaction, sql: &str) -> Result<QueryResult, DbErr> {
        let query = Statement::from_string(connection.get_database_backend(), sql);
        let row = connection.query_one_raw(query).await?;
        row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))
    }

    #[tokio::test]
    async fn every_sqlite_connection_is_durable_and_minds_foreign_keys() -> Outcome {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("tokend.db");
        let url = format!("sqlite:{}?mode=rwc", file.display());
        for connection in pooled(&url).await? {
            let mode = row(&connection, "PRAGMA journal_mode").await?;
            assert_eq!(mode.try_get_by_index::<String>(0)?, "wal");
            // 2 is FULL.
            for (pragma, expected) in [("synchronous", 2), ("foreign_keys", 1)] {
                let set = row(&connection, &format!("PRAGMA {pragma}")).await?;
                assert_eq!(set.try_get_by_index::<i32>(0)?, expected, "{pragma}");
            }
            let wait = row(&connection, "PRAGMA busy_timeout").await?;
            assert_eq!(wait.try_get_by_index::<i32>(0)?, 7_500);
        }
        Ok(())
    }

    #[tokio::test]
    async fn every_postgres_connection_has_its_timeouts() -> Outcome {
        // Where there is none the conformance suite says so, and fails in CI.
        let Ok(url) = std::env::var("TOKEND_TEST_POSTGRES_URL") else {
            return Ok(());
        };
        for connection in pooled(&url).await? {
            for setting in ["statement_timeout", "idle_in_transaction_session_timeout"] {
                let set = row(&connection, &format!("SHOW {setting}")).await?;
                assert_eq!(set.try_get_by_index::<String>(0)?, "7500ms", "{setting}");
            }
        }
        Ok(())
    }

    #[tokio::test]
    async fn no_postgres_connection_commits_less_durably_than_on() -> Outcome {
        let Ok(url) = std::env::var("TOKEND_TEST_POSTGRES_URL") else {
            return Ok(());
        };
        let sign = if url.contains('?') { '&' } else { '?' };
        for (default, expected) in [
            ("off", "on"),
            ("local", "on"),
            ("remote_write", "on"),
            ("on", "on"),
            ("remote_apply", "remote_apply"),
        ] {
            let url = format!("{url}{sign}options=-c%20synchronous_commit%3D{default}");
            for connection in pooled(&url).await? {
                let set = row(&connection, "SHOW synchronous_commit").await?;
                assert_eq!(set.try_get_by_index::<String>(0)?, expected, "{default}");
            }
        }
        Ok(())
    }
}
