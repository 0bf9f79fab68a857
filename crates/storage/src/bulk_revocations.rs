//! Jobs that revoke all connections of an integration type or connector, at rest.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select, UpdateMany,
    sea_query::{Expr, ExprTrait, LockBehavior, LockType},
};
use tokend_model::{
    BulkRevocationId, ConnectionId, ConnectionStatus, ConnectorId, IntegrationTypeName,
    WorkspaceName,
    ports::{
        BulkRevocation, BulkRevocationState, BulkRevocations, NewBulkRevocation, Progress, Report,
        StorageError,
    },
};

use crate::{
    Storage,
    columns::{name, optional_time, time},
    connect::clock,
    database_clock,
    entities::{
        bulk_revocation::{Column, Entity, Model},
        connection,
    },
    faults::{by_meaning, corrupt},
    refreshes::whole_milliseconds,
};

#[async_trait]
impl BulkRevocations for Storage {
    async fn start_bulk_revocation(
        &self,
        new: &NewBulkRevocation,
    ) -> Result<BulkRevocation, StorageError> {
        loop {
            let wanted = new.clone();
            let queued = self.transact(move |transaction| {
                Box::pin(async move { queue(transaction, wanted).await })
            });
            match queued.await {
                // Somebody else was faster.
                Err(StorageError::Exists) => {}
                result => return result,
            }
            // Unless it ended in between.
            if let Some(row) = under_way_like(new)
                .one(&self.database)
                .await
                .map_err(by_meaning)?
            {
                return read(row);
            }
        }
    }

    async fn bulk_revocation(
        &self,
        workspace: &WorkspaceName,
        id: &BulkRevocationId,
    ) -> Result<Option<BulkRevocation>, StorageError> {
        let row = of_id(workspace, id).one(&self.database).await;
        row.map_err(by_meaning)?.map(read).transpose()
    }

    async fn bulk_revocations(
        &self,
        workspace: &WorkspaceName,
        limit: u64,
    ) -> Result<Vec<BulkRevocation>, StorageError> {
        let rows = Entity::find()
            .filter(Column::Workspace.eq(workspace.as_str()))
            .order_by_desc(Column::CreateTime)
            .order_by_desc(Column::Id)
            .limit(limit)
            .all(&self.database)
            .await
            .map_err(by_meaning)?;
        rows.into_iter().map(read).collect()
    }

    async fn cancel_bulk_revocation(
        &self,
        workspace: &WorkspaceName,
        id: &BulkRevocationId,
    ) -> Result<Option<BulkRevocation>, StorageError> {
        Entity::update_many()
            .col_expr(
                Column::State,
                Expr::value(BulkRevocationState::Cancelled.as_str()),
            )
            .col_expr(Column::EndTime, self.now())
            .filter(Column::Id.eq(id.as_str()))
            .filter(Column::Workspace.eq(workspace.as_str()))
            .filter(is_under_way())
            .exec(&self.database)
            .await
            .map_err(by_meaning)?;
        self.bulk_revocation(workspace, id).await
    }

    async fn take_bulk_revocation(
        &self,
        holder: &str,
        lease: Duration,
    ) -> Result<Option<BulkRevocation>, StorageError> {
        // Most of the time there is none: that costs no transaction.
        let free = Entity::find()
            .filter(is_under_way())
            .filter(Expr::col(Column::LeaseUntil).lt(self.now()))
            .one(&self.database);
        if free.await.map_err(by_meaning)?.is_none() {
            return Ok(None);
        }
        let holder = holder.to_owned();
        self.transact(move |transaction| {
            Box::pin(async move { take(transaction, holder, lease).await })
        })
        .await
    }

    async fn yet_to_revoke(
        &self,
        job: &BulkRevocation,
        after: Option<&ConnectionId>,
        limit: u64,
    ) -> Result<Vec<ConnectionId>, StorageError> {
        use connection::Column;
        let mut query = connection::Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(left_of(job))
            .order_by_asc(Column::Id)
            .limit(limit);
        if let Some(after) = after {
            query = query.filter(Column::Id.gt(after.as_str()));
        }
        let ids: Vec<String> = query
            .into_tuple()
            .all(&self.database)
            .await
            .map_err(by_meaning)?;
        ids.into_iter()
            .map(|id| name("connections.id", id, ConnectionId::new))
            .collect()
    }

    async fn report_bulk_revocation(
        &self,
        job: &BulkRevocation,
        holder: &str,
        report: Report,
        progress: Progress,
    ) -> Result<Option<BulkRevocation>, StorageError> {
        let left = count_left(&self.database, left_of(job)).await?;
        let revoked = number(job.total.saturating_sub(left));
        // A report that comes late takes nothing back.
        let failed = number(report.provider_failed);
        let failed = Expr::case(
            Expr::col(Column::ProviderFailedCount).lt(failed),
            Expr::value(failed),
        )
        .finally(Expr::col(Column::ProviderFailedCount));
        let running = BulkRevocationState::Running.as_str();
        let mut update = Entity::update_many()
            .col_expr(Column::RevokedCount, Expr::value(revoked))
            .col_expr(Column::ProviderFailedCount, failed.into())
            .col_expr(Column::LeftOutCount, Expr::value(number(report.left_out)));
        // A job that was cancelled stays so, and what was on its way then counts all the same.
        let if_running = |then: Expr, column: Column| -> Expr {
            Expr::case(Expr::col(Column::State).eq(running), then)
                .finally(Expr::col(column))
                .into()
        };
        update = match progress {
            Progress::GoesOn(lease) => {
                let until = self.now().add(whole_milliseconds(lease));
                update.col_expr(Column::LeaseUntil, until)
            }
            Progress::IsDone if left == 0 => update
                .col_expr(Column::EndTime, if_running(self.now(), Column::EndTime))
                .col_expr(
                    Column::State,
                    if_running(
                        Expr::value(BulkRevocationState::Done.as_str()),
                        Column::State,
                    ),
                ),
            Progress::LetsGo(rest) => {
                let until = self.now().add(whole_milliseconds(rest));
                let_go(update, until)
            }
            Progress::IsDone => let_go(update, Expr::value(0)),
        };
        let updated = update
            .filter(Column::Id.eq(job.id.as_str()))
            .filter(Column::Workspace.eq(job.workspace.as_str()))
            .filter(Column::Holder.eq(holder))
            .exec(&self.database)
            .await
            .map_err(by_meaning)?;
        match updated.rows_affected {
            0 => Ok(None),
            _ => self.bulk_revocation(&job.workspace, &job.id).await,
        }
    }
}

impl Storage {
    /// The database's clock, inside a statement.
    fn now(&self) -> Expr {
        Expr::cust(clock(self.database.get_database_backend()))
    }
}

async fn queue(
    transaction: &DatabaseTransaction,
    new: NewBulkRevocation,
) -> Result<BulkRevocation, StorageError> {
    if let Some(row) = under_way_like(&new)
        .one(transaction)
        .await
        .map_err(by_meaning)?
    {
        return read(row);
    }
    let now = database_clock::read(transaction).await?;
    let mut row = Model {
        id: new.id.to_string(),
        workspace: new.workspace.to_string(),
        integration_type: new.integration_type.to_string(),
        connector_id: new
            .connector_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        comment: new.comment,
        started_by: new.started_by,
        state: BulkRevocationState::Queued.as_str().to_owned(),
        total_count: 0,
        revoked_count: 0,
        provider_failed_count: 0,
        create_time: now,
        end_time: None,
        holder: String::new(),
        lease_until: 0,
        left_out_count: 0,
    };
    row.total_count = number(count_left(transaction, left_of(&read(row.clone())?)).await?);
    Entity::insert(row.clone().into_active_model())
        .exec_without_returning(transaction)
        .await
        .map_err(by_meaning)?;
    read(row)
}

async fn take(
    transaction: &DatabaseTransaction,
    holder: String,
    lease: Duration,
) -> Result<Option<BulkRevocation>, StorageError> {
    let now = database_clock::read(transaction).await?;
    let found = Entity::find()
        .filter(is_under_way())
        .filter(Column::LeaseUntil.lt(now))
        .order_by_asc(Column::CreateTime)
        .order_by_asc(Column::Id)
        .limit(1)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .one(transaction)
        .await
        .map_err(by_meaning)?;
    let Some(mut row) = found else {
        return Ok(None);
    };
    row.state = BulkRevocationState::Running.as_str().to_owned();
    Entity::update_many()
        .col_expr(Column::State, Expr::value(row.state.as_str()))
        .col_expr(Column::Holder, Expr::value(holder))
        .col_expr(
            Column::LeaseUntil,
            Expr::value(now.saturating_add(whole_milliseconds(lease))),
        )
        .filter(Column::Id.eq(&row.id))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    read(row).map(Some)
}

/// A report that comes late, of who does not hold it any more, keeps nobody from it.
fn let_go(update: UpdateMany<Entity>, until: Expr) -> UpdateMany<Entity> {
    update
        .col_expr(Column::LeaseUntil, until)
        .col_expr(Column::Holder, Expr::value(""))
}

/// What is left to be revoked: connected before the job was queued, and not revoked.
fn left_of(job: &BulkRevocation) -> Condition {
    use connection::Column;
    let connector = job.connector_id.as_ref();
    Condition::all()
        .add(Column::Workspace.eq(job.workspace.as_str()))
        .add(Column::IntegrationType.eq(job.integration_type.as_str()))
        .add_option(connector.map(|id| Column::ConnectorId.eq(id.as_str())))
        .add(Column::AuthorizeTime.lte(job.create_time.timestamp_millis()))
        .add(Column::Status.ne(ConnectionStatus::Revoked.as_str()))
}

async fn count_left<C: ConnectionTrait>(
    connection: &C,
    left: Condition,
) -> Result<u64, StorageError> {
    let counted = connection::Entity::find()
        .filter(left)
        .count(connection)
        .await;
    counted.map_err(by_meaning)
}

fn under_way_like(new: &NewBulkRevocation) -> Select<Entity> {
    let connector_id = new.connector_id.as_ref().map(ConnectorId::as_str);
    Entity::find()
        .filter(is_under_way())
        .filter(Column::Workspace.eq(new.workspace.as_str()))
        .filter(Column::IntegrationType.eq(new.integration_type.as_str()))
        .filter(Column::ConnectorId.eq(connector_id.unwrap_or_default()))
}

fn is_under_way() -> Condition {
    let states = [BulkRevocationState::Queued, BulkRevocationState::Running];
    Condition::all().add(Column::State.is_in(states.map(BulkRevocationState::as_str)))
}

fn of_id(workspace: &WorkspaceName, id: &BulkRevocationId) -> Select<Entity> {
    Entity::find_by_id(id.as_str()).filter(Column::Workspace.eq(workspace.as_str()))
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn read(row: Model) -> Result<BulkRevocation, StorageError> {
    let count = |what, value: i64| u64::try_from(value).map_err(|_| corrupt(what, "is negative"));
    let connector_id = Some(row.connector_id).filter(|id| !id.is_empty());
    Ok(BulkRevocation {
        id: name("bulk_revocations.id", row.id, BulkRevocationId::new)?,
        workspace: name(
            "bulk_revocations.workspace",
            row.workspace,
            WorkspaceName::new,
        )?,
        integration_type: name(
            "bulk_revocations.integration_type",
            row.integration_type,
            IntegrationTypeName::new,
        )?,
        connector_id: connector_id
            .map(|id| name("bulk_revocations.connector_id", id, ConnectorId::new))
            .transpose()?,
        comment: row.comment,
        started_by: row.started_by,
        state: BulkRevocationState::parse(&row.state)
            .ok_or_else(|| corrupt("bulk_revocations.state", "it is no state"))?,
        total: count("bulk_revocations.total_count", row.total_count)?,
        revoked: count("bulk_revocations.revoked_count", row.revoked_count)?,
        provider_failed: count(
            "bulk_revocations.provider_failed_count",
            row.provider_failed_count,
        )?,
        left_out: count("bulk_revocations.left_out_count", row.left_out_count)?,
        create_time: time("bulk_revocations.create_time", row.create_time)?,
        end_time: optional_time("bulk_revocations.end_time", row.end_time)?,
    })
}
