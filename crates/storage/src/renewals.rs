//! Which connections are to be renewed although nobody asks: found by their time, shared out among workspaces.

use std::{collections::HashSet, time::Duration};

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseBackend, DatabaseTransaction, EntityTrait,
    FromQueryResult, QueryFilter, QuerySelect, QueryTrait, Statement, Value,
    sea_query::{Expr, ExprTrait, SelectStatement},
};
use tokend_model::{
    ConnectionId, SILENCE, WorkspaceName,
    ports::{DueRenewal, Renewals, Share, StorageError},
};

use crate::{
    Storage,
    columns::{name, time},
    connect::clock,
    database_clock,
    entities::{
        connection::{Column, Entity},
        refresh_claim,
    },
    faults::by_meaning,
    refreshes::{CLAIM_OPEN, whole_milliseconds},
};

/// So many due rows are looked at in one go, at most.
const MOST_SORTED: u32 = 2_000;

/// Ids a statement, of which the databases allow some ten thousand.
const CHUNK: usize = 500;

/// The same times as the migration that added them gave.
const SCHEDULE_MISSED: &str = "\
    UPDATE connections SET renewal_time = refresh_time + CASE \
        WHEN expire_time IS NULL OR expire_time - refresh_time > 802285714 THEN 561600000 \
        ELSE (expire_time - refresh_time) * 7 / 10 END \
    WHERE renewal_time IS NULL AND status = 'AUTHORIZED' AND EXISTS (\
        SELECT 1 FROM credentials WHERE credentials.connection_id = connections.id \
        AND credentials.generation = connections.generation AND credentials.refresh_token IS NOT NULL)";

#[derive(FromQueryResult)]
struct DueRow {
    id: String,
    workspace: String,
    renewal_time: i64,
}

#[async_trait]
impl Renewals for Storage {
    async fn take_due(
        &self,
        share: Share,
        enough: &[WorkspaceName],
    ) -> Result<Vec<DueRenewal>, StorageError> {
        let enough = enough.to_vec();
        self.transact(move |transaction| {
            Box::pin(async move { take_due(transaction, share, &enough).await })
        })
        .await
    }

    async fn put_off(&self, taken: &DueRenewal, wait: Duration) -> Result<(), StorageError> {
        let now = Expr::cust(clock(self.database.get_database_backend()));
        Entity::update_many()
            .col_expr(Column::RenewalTime, now.add(whole_milliseconds(wait)))
            .filter(Column::Id.eq(taken.connection_id.as_str()))
            .filter(Column::Workspace.eq(taken.workspace.as_str()))
            .filter(Column::RenewalTime.eq(taken.next_time.timestamp_millis()))
            .exec(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(())
    }
}

impl Storage {
    /// Gives a renewal time to connections that can be renewed and have none: replicas of a release that knew of none
    /// store such. Answers how many there were.
    pub async fn schedule_missed(&self) -> Result<u64, StorageError> {
        let scheduled = self.database.execute_unprepared(SCHEDULE_MISSED).await;
        scheduled
            .map(|result| result.rows_affected())
            .map_err(by_meaning)
    }
}

async fn take_due(
    transaction: &DatabaseTransaction,
    share: Share,
    enough: &[WorkspaceName],
) -> Result<Vec<DueRenewal>, StorageError> {
    let now = database_clock::read(transaction).await?;
    let rows = due(transaction, share, enough, now).await?;
    let again = now.saturating_add(whole_milliseconds(share.put_off));
    let soon = now.saturating_add(whole_milliseconds(share.put_off.min(SILENCE)));
    // Whoever takes these may die too: a provider's window may close before the usual time.
    let pressing = pressing(transaction, &rows).await?;
    let (urgent, usual): (Vec<_>, Vec<_>) = rows.iter().partition(|row| pressing.contains(&row.id));
    set_time(transaction, &urgent, soon).await?;
    set_time(transaction, &usual, again).await?;
    // What cannot be read was put off like the rest: it must keep nobody waiting.
    let readable = rows.into_iter().filter_map(|row| {
        let id = row.id.clone();
        let is_pressing = pressing.contains(&id);
        let next = if is_pressing { soon } else { again };
        read(row, next, is_pressing)
            .inspect_err(|error| {
                tracing::error!(connection = id, %error, "a due renewal is left out unread");
            })
            .ok()
    });
    Ok(readable.collect())
}

/// Locks due rows that nobody else has locked.
async fn due(
    transaction: &DatabaseTransaction,
    share: Share,
    enough: &[WorkspaceName],
    now: i64,
) -> Result<Vec<DueRow>, StorageError> {
    let query = due_query(transaction.get_database_backend(), share, enough, now);
    DueRow::find_by_statement(query)
        .all(transaction)
        .await
        .map_err(by_meaning)
}

/// The moment is a value of its own: a volatile function in the condition would keep PostgreSQL from using the index.
fn due_query(
    backend: DatabaseBackend,
    share: Share,
    enough: &[WorkspaceName],
    now: i64,
) -> Statement {
    let lock = match backend {
        DatabaseBackend::Postgres => "FOR NO KEY UPDATE SKIP LOCKED",
        _ => "",
    };
    let places: Vec<_> = (4..4 + enough.len())
        .map(|place| format!("${place}"))
        .collect();
    let wanted = match places.is_empty() {
        true => String::new(),
        false => format!("AND workspace NOT IN ({})", places.join(", ")),
    };
    // Of very many only the longest overdue are sorted out: once a workspace has enough, the others' come up.
    let query = format!(
        "SELECT id, workspace, renewal_time FROM connections WHERE renewal_time <= $1 AND id IN (\
            SELECT id FROM (\
                SELECT id, renewal_time, \
                ROW_NUMBER() OVER (PARTITION BY workspace ORDER BY renewal_time, id) AS place \
                FROM (\
                    SELECT id, workspace, renewal_time FROM connections \
                    WHERE renewal_time <= $1 {wanted} ORDER BY renewal_time LIMIT {MOST_SORTED}) AS overdue) AS due \
            WHERE place <= $2 ORDER BY renewal_time, id LIMIT $3) \
        ORDER BY renewal_time, id {lock}"
    );
    let numbers = [now, i64::from(share.per_workspace), i64::from(share.limit)];
    let values: Vec<Value> = numbers
        .into_iter()
        .map(Value::from)
        .chain(enough.iter().map(|workspace| workspace.as_str().into()))
        .collect();
    Statement::from_sql_and_values(backend, query, values)
}

/// Those whose refresh token is in doubt or in somebody's hands. Their rows are locked, so that it stays so.
async fn pressing(
    transaction: &DatabaseTransaction,
    rows: &[DueRow],
) -> Result<HashSet<String>, StorageError> {
    let is_pressing = Condition::any()
        .add(Column::UncertainSince.is_not_null())
        .add(Column::Id.in_subquery(open_claims()));
    let mut found = HashSet::new();
    for chunk in rows.chunks(CHUNK) {
        let ids: Vec<String> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Id.is_in(chunk.iter().map(|row| row.id.as_str())))
            .filter(is_pressing.clone())
            .into_tuple()
            .all(transaction)
            .await
            .map_err(by_meaning)?;
        found.extend(ids);
    }
    Ok(found)
}

async fn set_time(
    transaction: &DatabaseTransaction,
    rows: &[&DueRow],
    time: i64,
) -> Result<(), StorageError> {
    for chunk in rows.chunks(CHUNK) {
        Entity::update_many()
            .col_expr(Column::RenewalTime, Expr::value(time))
            .filter(Column::Id.is_in(chunk.iter().map(|row| row.id.as_str())))
            .exec(transaction)
            .await
            .map_err(by_meaning)?;
    }
    Ok(())
}

/// The connections somebody is redeeming a token of, or was.
fn open_claims() -> SelectStatement {
    refresh_claim::Entity::find()
        .select_only()
        .column(refresh_claim::Column::ConnectionId)
        .filter(refresh_claim::Column::State.eq(CLAIM_OPEN))
        .filter(
            Expr::col((refresh_claim::Entity, refresh_claim::Column::ConnectionId))
                .equals((Entity, Column::Id)),
        )
        .into_query()
}

fn read(row: DueRow, next: i64, is_pressing: bool) -> Result<DueRenewal, StorageError> {
    Ok(DueRenewal {
        workspace: name("connections.workspace", row.workspace, WorkspaceName::new)?,
        connection_id: name("connections.id", row.id, ConnectionId::new)?,
        due_time: time("connections.renewal_time", row.renewal_time)?,
        next_time: time("connections.renewal_time", next)?,
        is_pressing,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sea_orm::{ConnectOptions, Database, DatabaseConnection};
    use tokend_keyring::{Keyring, generate_key_line};
    use tokend_model::Secret;

    use super::*;
    use crate::StorageOptions;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    const CONNECTOR: &str = "INSERT INTO connectors (workspace, id, integration_type, kind, \
        display_name, client_id, scopes, connection_config, return_urls, disabled, version, create_time, update_time) \
        VALUES ('w', 'c', 't', 'APP_USER', '', '', '[]', '{}', '[]', FALSE, 1, 0, 0)";

    /// One of a hundred connections is due.
    const CONNECTIONS: &str = "\
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
        INSERT INTO connections (id, workspace, connector_id, integration_type, owner_kind, owner_user, label, \
            status, status_reason, connection_config, scopes, generation, expiry, consecutive_failures, create_time, \
            authorize_time, refresh_time, renewal_time) \
        SELECT CAST(i AS TEXT), 'w', 'c', 't', 'APP_USER', CAST(i AS TEXT), '', 'AUTHORIZED', '', '{}', '[]', 1, \
            'NEVER', 0, 0, 0, 0, i FROM n";

    /// How the database goes about it where 20,000 connections are there and 200 are due.
    async fn plan(url: &str) -> Result<String, Box<dyn std::error::Error>> {
        let (_, line) = generate_key_line()?;
        let keyring = Arc::new(Keyring::parse(line.expose())?);
        let storage = Storage::connect(StorageOptions::new(Secret::new(url)), keyring).await?;
        storage.migrate().await?;
        for sql in [CONNECTOR, CONNECTIONS, "ANALYZE"] {
            storage.database.execute_unprepared(sql).await?;
        }
        let share = Share {
            limit: 100,
            per_workspace: 50,
            put_off: Duration::ZERO,
        };
        let backend = storage.database.get_database_backend();
        let enough = [WorkspaceName::new("full")?];
        let mut query = due_query(backend, share, &enough, 200);
        let (explain, column) = match backend {
            DatabaseBackend::Postgres => ("EXPLAIN", "QUERY PLAN"),
            _ => ("EXPLAIN QUERY PLAN", "detail"),
        };
        query.sql = format!("{explain} {}", query.sql);
        let mut plan = String::new();
        for row in storage.database.query_all_raw(query).await? {
            plan += &row.try_get::<String>("", column)?;
            plan.push('\n');
        }
        Ok(plan)
    }

    #[tokio::test]
    async fn sqlite_finds_what_is_due_by_index() -> Outcome {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("tokend.db");
        let plan = plan(&format!("sqlite:{}?mode=rwc", file.display())).await?;
        assert!(
            plan.contains("ix_connections_renewal_time (renewal_time<?)"),
            "{plan}"
        );
        assert!(!plan.contains("SCAN connections"), "{plan}");
        Ok(())
    }

    #[tokio::test]
    async fn postgres_finds_what_is_due_by_index() -> Outcome {
        // Where there is none the conformance suite says so, and fails in CI.
        let Ok(server) = std::env::var("TOKEND_TEST_POSTGRES_URL") else {
            return Ok(());
        };
        let admin = admin(&server).await?;
        let name = format!("tokend_test_{}", uuid::Uuid::new_v4().simple());
        let create = format!("CREATE DATABASE {name}");
        admin.execute_unprepared(&create).await?;
        let mut url = url::Url::parse(&server)?;
        url.set_path(&name);
        let plan = plan(url.as_str()).await;
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        admin.execute_unprepared(&drop).await?;
        let plan = plan?;
        assert!(plan.contains("ix_connections_renewal_time"), "{plan}");
        assert!(!plan.contains("Seq Scan"), "{plan}");
        Ok(())
    }

    async fn admin(server: &str) -> Result<DatabaseConnection, sea_orm::DbErr> {
        let mut options = ConnectOptions::new(server);
        options.max_connections(1).sqlx_logging(false);
        Database::connect(options).await
    }
}
