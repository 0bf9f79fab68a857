//! Databases to test on: SQLite always, PostgreSQL where the test run has one.

use std::path::Path;

use sqlx::{Connection, Executor, PgConnection};
use url::Url;
use uuid::Uuid;

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// The embedded default.
    Sqlite,
    /// The one for several replicas.
    Postgres,
}

/// The databases this run can test on. With `CI=true` PostgreSQL must be among them.
pub fn databases() -> Vec<Database> {
    match std::env::var("TOKEND_TEST_POSTGRES_URL") {
        Ok(_) => vec![Database::Sqlite, Database::Postgres],
        Err(_) if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
            panic!("TOKEND_TEST_POSTGRES_URL is not set; 'make test' sets it")
        }
        Err(_) => {
            eprintln!(
                "PostgreSQL: NOT TESTED (TOKEND_TEST_POSTGRES_URL is not set; 'make test' sets it)"
            );
            vec![Database::Sqlite]
        }
    }
}

impl Database {
    /// The URL of a new, empty database; files go to `home`. PostgreSQL's goes with the throwaway server.
    pub async fn create(self, home: &Path) -> String {
        match self {
            Self::Sqlite => format!("sqlite:{}?mode=rwc", home.join("tokend.db").display()),
            Self::Postgres => {
                let admin = std::env::var("TOKEND_TEST_POSTGRES_URL").expect("checked before");
                let name = format!("tokend_{}", Uuid::new_v4().simple());
                let mut connection = PgConnection::connect(&admin)
                    .await
                    .expect("PostgreSQL answers");
                let statement = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
                connection
                    .execute(sqlx::raw_sql(statement))
                    .await
                    .expect("a database is made");
                let mut url = Url::parse(&admin).expect("a URL");
                url.set_path(&name);
                url.to_string()
            }
        }
    }
}
