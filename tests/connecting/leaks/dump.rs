//! A database as a thief would read it: SQLite's files byte by byte, every column of every table of PostgreSQL.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokend_tests::{Database, Tokend};

/// Everything that is in the database now.
pub(crate) async fn dump(tokend: &Tokend, database: Database) -> Vec<u8> {
    match database {
        Database::Sqlite => files(tokend),
        Database::Postgres => tables(&tokend.config.database.url).await,
    }
}

/// All files beside the key: the database, its log and its shared memory, the journal's, and the deployment's name.
fn files(tokend: &Tokend) -> Vec<u8> {
    let (mut dump, mut names) = (Vec::new(), Vec::new());
    let mut folders = vec![tokend.home.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path != tokend.config.keys.file {
                dump.extend(std::fs::read(&path).unwrap());
                names.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    for name in ["tokend.db", "tokend.db-shm", "tokend.db-wal"] {
        assert!(names.iter().any(|there| there == name), "{names:?}");
    }
    dump
}

/// Each row as text, which has bytes as hexadecimal, and bytes once more as they are.
async fn tables(url: &str) -> Vec<u8> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let columns = "SELECT table_name::text, column_name::text, data_type::text \
                   FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema')";
    let columns = sqlx::query(columns)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert!(columns.len() > 50, "only {} columns", columns.len());
    let mut dump = Vec::new();
    for column in columns {
        let [table, name, kind] = [0, 1, 2].map(|at| column.get::<String, _>(at));
        let sql = format!("SELECT \"{name}\"::text FROM \"{table}\"");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&mut connection)
            .await;
        for row in rows.unwrap() {
            let text: Option<String> = row.get(0);
            dump.extend(text.unwrap_or_default().into_bytes());
            dump.push(b'\n');
        }
        if kind == "bytea" {
            let sql = format!("SELECT \"{name}\" FROM \"{table}\"");
            let rows = sqlx::query(AssertSqlSafe(sql))
                .fetch_all(&mut connection)
                .await;
            for row in rows.unwrap() {
                let bytes: Option<Vec<u8>> = row.get(0);
                dump.extend(bytes.unwrap_or_default());
                dump.push(b'\n');
            }
        }
    }
    dump
}
