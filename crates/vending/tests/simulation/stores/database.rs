//! A real database, and a way past the storage crate to make time pass in it.

use std::sync::Arc;

use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection};
use tempfile::TempDir;
use tokend_keyring::{Keyring, generate_key_line};
use tokend_model::{
    ConnectorChange, Secret, Timestamp,
    ports::{Connections, Connectors},
};
use tokend_storage::{Storage, StorageOptions};

use super::operation::{connector, fixed_time, workspaces};

/// The times that something depends on.
const TIMES: [(&str, &[&str]); 4] = [
    (
        "refresh_claims",
        &[
            "started_at",
            "heartbeat_at",
            "deadline_at",
            "predecessor_deadline_at",
        ],
    ),
    (
        "connections",
        &[
            "renewal_time",
            "retry_time",
            "accused_time",
            "uncertain_since",
        ],
    ),
    ("client_pauses", &["until_time"]),
    ("deployments", &["beat_time", "resume_time"]),
];

/// What sequences are run on.
pub(super) struct Database {
    pub(super) storage: Storage,
    raw: DatabaseConnection,
    options: StorageOptions,
    keyring: Arc<Keyring>,
}

impl Database {
    async fn open(url: &str) -> Self {
        let (_, line) = generate_key_line().unwrap();
        let keyring = Arc::new(Keyring::parse(line.expose()).unwrap());
        let options = StorageOptions::new(Secret::new(url));
        let storage = Storage::connect(options.clone(), keyring.clone())
            .await
            .unwrap();
        storage.migrate().await.unwrap();
        for workspace in workspaces() {
            let changes = [ConnectorChange::Create(connector(&workspace))];
            storage
                .apply(&workspace, &changes, &[], fixed_time())
                .await
                .unwrap();
        }
        Self {
            storage,
            raw: raw(url).await,
            options,
            keyring,
        }
    }

    /// Nothing but the connectors is left, and nothing remembered.
    pub(super) async fn empty(&mut self) {
        let tables = ["connections", "client_pauses", "deployments"];
        for table in tables {
            self.execute(&format!("DELETE FROM {table}")).await;
        }
        let opened = Storage::connect(self.options.clone(), self.keyring.clone());
        self.storage = opened.await.unwrap();
    }

    pub(super) async fn now(&self) -> Timestamp {
        self.storage.database_time().await.unwrap()
    }

    /// Moves all times by so many milliseconds: into the past makes time pass.
    pub(super) async fn shift(&self, by: i64) {
        let moved = |(table, columns): (&str, &[&str])| {
            let moved = columns.iter().map(|it| format!("{it} = {it} + ({by})"));
            format!(
                "UPDATE {table} SET {};",
                moved.collect::<Vec<_>>().join(", ")
            )
        };
        let updates: String = TIMES.into_iter().map(moved).collect();
        self.execute(&format!("BEGIN; {updates} COMMIT")).await;
    }

    async fn execute(&self, sql: &str) {
        self.raw.execute_unprepared(sql).await.unwrap();
    }
}

/// On a new SQLite file.
pub(super) async fn on_sqlite<F: Future<Output = ()>>(check: impl FnOnce(Database) -> F) {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tokend.db");
    let url = format!("sqlite:{}?mode=rwc", file.display());
    check(Database::open(&url).await).await;
}

/// On a new database of the PostgreSQL server, which is dropped afterwards, also if the check fails.
pub(super) async fn on_postgres<F>(check: impl FnOnce(Database) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Ok(server) = std::env::var("TOKEND_TEST_POSTGRES_URL") else {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!ci, "with CI=true TOKEND_TEST_POSTGRES_URL must be set");
        eprintln!("skipped: TOKEND_TEST_POSTGRES_URL is not set");
        return;
    };
    let name = format!("tokend_test_{}", uuid::Uuid::new_v4().simple());
    let admin = raw(&server).await;
    let create = format!("CREATE DATABASE {name}");
    admin.execute_unprepared(&create).await.unwrap();
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&name);
    let result = tokio::spawn(check(Database::open(url.as_str()).await)).await;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    admin.execute_unprepared(&drop).await.unwrap();
    if let Err(failed) = result {
        std::panic::resume_unwind(failed.into_panic());
    }
}

async fn raw(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    sea_orm::Database::connect(options).await.unwrap()
}
