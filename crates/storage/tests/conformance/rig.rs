//! A database of its own for each case, and a second way into it, past the storage crate.

use std::{path::PathBuf, sync::Arc};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, QueryResult, Statement,
};
use tempfile::TempDir;
use tokend_keyring::{Keyring, generate_key_line};
use tokend_model::Secret;
use tokend_storage::{Storage, StorageOptions};

/// What a case works with.
#[derive(Clone)]
pub(crate) struct Rig {
    pub(crate) storage: Storage,
    /// Speaks SQL directly: a database administrator, or an attacker with write access.
    pub(crate) raw: DatabaseConnection,
    pub(crate) options: StorageOptions,
    pub(crate) keyring: Arc<Keyring>,
    /// The SQLite file.
    pub(crate) file: Option<PathBuf>,
}

impl Rig {
    /// Opens a migrated storage and the way past it.
    async fn open(url: &str, file: Option<PathBuf>) -> Self {
        let (_, line) = generate_key_line().unwrap();
        let keyring = Arc::new(Keyring::parse(line.expose()).unwrap());
        let options = StorageOptions::new(Secret::new(url));
        let storage = Storage::connect(options.clone(), keyring.clone())
            .await
            .unwrap();
        storage.migrate().await.unwrap();
        Self {
            storage,
            raw: raw(url).await,
            options,
            keyring,
            file,
        }
    }

    /// Runs SQL past the storage; answers how many rows it changed.
    pub(crate) async fn execute(&self, sql: &str) -> u64 {
        self.raw
            .execute_unprepared(sql)
            .await
            .unwrap()
            .rows_affected()
    }

    /// A column of what a query answers past the storage.
    pub(crate) async fn texts(&self, sql: &str, column: &str) -> Vec<String> {
        let backend = self.raw.get_database_backend();
        let query = Statement::from_string(backend, sql);
        let rows = self.raw.query_all_raw(query).await.unwrap();
        let text = |row: &QueryResult| row.try_get("", column).unwrap();
        rows.iter().map(text).collect()
    }

    /// Whether the case is on PostgreSQL.
    pub(crate) fn is_postgres(&self) -> bool {
        self.file.is_none()
    }
}

/// Runs a case on a new SQLite file.
pub(crate) async fn on_sqlite<F: Future<Output = ()>>(case: impl FnOnce(Rig) -> F) {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tokend.db");
    let url = format!("sqlite:{}?mode=rwc", file.display());
    case(Rig::open(&url, Some(file)).await).await;
}

/// Runs a case on a new database of the PostgreSQL server, which is dropped afterwards, also if the case fails.
pub(crate) async fn on_postgres<F>(case: impl FnOnce(Rig) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(server) = server() else { return };
    let name = format!("tokend_test_{}", uuid::Uuid::new_v4().simple());
    let admin = raw(&server).await;
    let create = format!("CREATE DATABASE {name}");
    admin.execute_unprepared(&create).await.unwrap();
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&name);
    let result = tokio::spawn(case(Rig::open(url.as_str(), None).await)).await;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    admin.execute_unprepared(&drop).await.unwrap();
    if let Err(failed) = result {
        std::panic::resume_unwind(failed.into_panic());
    }
}

/// The PostgreSQL server to test on; where none is given, the cases on it say so and pass, except in CI.
fn server() -> Option<String> {
    let server = std::env::var("TOKEND_TEST_POSTGRES_URL").ok();
    if server.is_none() {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!ci, "with CI=true TOKEND_TEST_POSTGRES_URL must be set");
        eprintln!("skipped: TOKEND_TEST_POSTGRES_URL is not set");
    }
    server
}

async fn raw(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}
