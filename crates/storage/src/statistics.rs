//! Counting what is at rest: five statements, however much there is.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter, QuerySelect, QueryTrait,
    Select,
    sea_query::{CaseStatement, Expr, ExprTrait, SimpleExpr},
};
use tokend_model::{
    ConnectionStatus, IntegrationTypeName, WorkspaceName,
    ports::{ConnectionCount, Counts, Statistics, StorageError},
};

use crate::{
    Storage,
    columns::{APP_USER, name, optional_time},
    entities::{
        connection::{Column, Entity},
        connection_usage, connector,
    },
    faults::{by_meaning, corrupt},
};

/// Sums are wider than what they sum up, and decimal, unless they are told not to be.
const WHOLE: &str = "BIGINT";

/// How many there are of something by its name.
#[derive(FromQueryResult)]
struct Named {
    name: Option<String>,
    number: i64,
}

#[derive(FromQueryResult)]
struct ConnectionRow {
    integration_type: String,
    status: String,
    connections: i64,
    uses: Option<i64>,
    last_use_time: Option<i64>,
}

#[async_trait]
impl Statistics for Storage {
    async fn count(
        &self,
        workspace: &WorkspaceName,
        only: Option<&IntegrationTypeName>,
        categories: &BTreeMap<IntegrationTypeName, String>,
    ) -> Result<Counts, StorageError> {
        let connections = self.connection_counts(workspace, only).await?;
        let app_users = app_users(workspace, only);
        let total = app_users
            .clone()
            .expr_as(Expr::value(None::<String>), "name");
        let by_type = app_users
            .clone()
            .column_as(Column::IntegrationType, "name")
            .group_by(Column::IntegrationType);
        // By the column's own name: to PostgreSQL two equal expressions with parameters are not the same.
        let by_category = app_users
            .expr_as(category(&connections, categories), "name")
            .group_by(Expr::col("name"));
        Ok(Counts {
            connectors: types(self.named(connectors(workspace, only)).await?)?,
            app_users: self
                .named(total)
                .await?
                .first()
                .map_or(0, |row| row.number.unsigned_abs()),
            app_users_by_type: types(self.named(by_type).await?)?,
            app_users_by_category: self
                .named(by_category)
                .await?
                .into_iter()
                .filter_map(|row| Some((row.name?, row.number.unsigned_abs())))
                .collect(),
            connections,
        })
    }
}

impl Storage {
    async fn connection_counts(
        &self,
        workspace: &WorkspaceName,
        only: Option<&IntegrationTypeName>,
    ) -> Result<Vec<ConnectionCount>, StorageError> {
        let usage = |column| Expr::col((connection_usage::Entity, column));
        Entity::find()
            .select_only()
            .left_join(connection_usage::Entity)
            .column(Column::IntegrationType)
            .column(Column::Status)
            .expr_as(Expr::col((Entity, Column::Id)).count(), "connections")
            .expr_as(
                usage(connection_usage::Column::UseCount)
                    .sum()
                    .cast_as(WHOLE),
                "uses",
            )
            .expr_as(
                usage(connection_usage::Column::LastUseTime).max(),
                "last_use_time",
            )
            .filter(of(workspace, only))
            .group_by(Column::IntegrationType)
            .group_by(Column::Status)
            .into_model::<ConnectionRow>()
            .all(&self.database)
            .await
            .map_err(by_meaning)?
            .into_iter()
            .map(ConnectionRow::read)
            .collect()
    }

    async fn named<E: EntityTrait>(&self, query: Select<E>) -> Result<Vec<Named>, StorageError> {
        query
            .into_model::<Named>()
            .all(&self.database)
            .await
            .map_err(by_meaning)
    }
}

impl ConnectionRow {
    fn read(self) -> Result<ConnectionCount, StorageError> {
        Ok(ConnectionCount {
            integration_type: name(
                "connections.integration_type",
                self.integration_type,
                IntegrationTypeName::new,
            )?,
            status: ConnectionStatus::parse(&self.status)
                .ok_or_else(|| corrupt("connections.status", "it is no status"))?,
            connections: self.connections.unsigned_abs(),
            uses: self.uses.unwrap_or_default(),
            last_use_time: optional_time("connection_usage.last_use_time", self.last_use_time)?,
        })
    }
}

fn of(workspace: &WorkspaceName, only: Option<&IntegrationTypeName>) -> Condition {
    Condition::all()
        .add(Column::Workspace.eq(workspace.as_str()))
        .add_option(only.map(|name| Column::IntegrationType.eq(name.as_str())))
}

fn connectors(
    workspace: &WorkspaceName,
    only: Option<&IntegrationTypeName>,
) -> Select<connector::Entity> {
    use connector::Column;
    connector::Entity::find()
        .select_only()
        .column_as(Column::IntegrationType, "name")
        .expr_as(Expr::col(Column::Id).count(), "number")
        .filter(Column::Workspace.eq(workspace.as_str()))
        .apply_if(only, |query, name| {
            query.filter(Column::IntegrationType.eq(name.as_str()))
        })
        .group_by(Column::IntegrationType)
}

/// How many app users there are; by what is for the caller to add.
fn app_users(workspace: &WorkspaceName, only: Option<&IntegrationTypeName>) -> Select<Entity> {
    Entity::find()
        .select_only()
        .expr_as(Expr::col(Column::OwnerUser).count_distinct(), "number")
        .filter(of(workspace, only))
        .filter(Column::OwnerKind.eq(APP_USER))
}

/// The category of a connection. Only types that have connections are told apart.
fn category(
    connections: &[ConnectionCount],
    categories: &BTreeMap<IntegrationTypeName, String>,
) -> SimpleExpr {
    let mut by_category: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for count in connections {
        if let Some(category) = categories.get(&count.integration_type) {
            let names = by_category.entry(category).or_default();
            names.push(count.integration_type.as_str());
        }
    }
    let mut case = CaseStatement::new();
    if by_category.is_empty() {
        return Expr::value(None::<String>);
    }
    for (category, names) in by_category {
        case = case.case(Column::IntegrationType.is_in(names), category);
    }
    case.into()
}

fn types(rows: Vec<Named>) -> Result<BTreeMap<IntegrationTypeName, u64>, StorageError> {
    rows.into_iter()
        .filter_map(|row| Some((row.name?, row.number)))
        .map(|(text, number)| {
            let read = IntegrationTypeName::new;
            let integration_type = name("connections.integration_type", text, read)?;
            Ok((integration_type, number.unsigned_abs()))
        })
        .collect()
}
