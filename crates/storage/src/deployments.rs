//! The deployment a database belongs to, and adopting a database for another.

pub(crate) mod seen;

use async_trait::async_trait;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    QuerySelect,
    sea_query::{Expr, ExprTrait, LockType, OnConflict},
};
use tokend_model::ports::{Deployment, Deployments, StorageError};

use crate::{
    Storage,
    connect::no_time_limit,
    database_clock,
    entities::{
        connection,
        deployment::{ActiveModel, Column, Entity, Model},
        refresh_claim,
    },
    faults::by_meaning,
    refreshes::{CLAIM_CLOSED, CLAIM_OPEN},
};

/// Replicas count the pulse on every few seconds. Nobody having done so for this long (in milliseconds), the database
/// was out of everybody's reach.
pub(crate) const SILENT: i64 = 12_000;

/// The key of the only row.
const ONLY: i64 = 1;

#[async_trait]
impl Deployments for Storage {
    async fn deployment(&self) -> Result<Option<Deployment>, StorageError> {
        let row = Entity::find_by_id(ONLY)
            .one(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(row.map(Deployment::from))
    }

    async fn holds_connections(&self) -> Result<bool, StorageError> {
        let any: Option<String> = connection::Entity::find()
            .select_only()
            .column(connection::Column::Id)
            .limit(1)
            .into_tuple()
            .one(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(any.is_some())
    }

    async fn found(&self, id: &str) -> Result<Deployment, StorageError> {
        let ours = id.to_owned();
        let shown = self
            .transact(move |transaction| {
                Box::pin(async move {
                    let row = nobodys(ours);
                    insert_if_absent(transaction, row).await?;
                    lock(transaction).await
                })
            })
            .await
            .map(Deployment::from)?;
        if shown.id == id {
            self.seen.restart(&shown);
        }
        Ok(shown)
    }

    async fn beat(&self, id: &str) -> Result<Deployment, StorageError> {
        let ours = id.to_owned();
        let shown = self
            .transact(move |transaction| {
                Box::pin(async move {
                    let now = database_clock::read(transaction).await?;
                    let resumed = Expr::case(Expr::col(Column::BeatTime).lt(now - SILENT), now)
                        .finally(Expr::col(Column::ResumeTime));
                    Entity::update_many()
                        .col_expr(Column::Pulse, Expr::col(Column::Pulse).add(1))
                        .col_expr(Column::ResumeTime, resumed.into())
                        .col_expr(Column::BeatTime, Expr::value(now))
                        .filter(Column::Only.eq(ONLY))
                        .filter(Column::Id.eq(ours))
                        .exec(transaction)
                        .await
                        .map_err(by_meaning)?;
                    lock(transaction).await
                })
            })
            .await
            .map(Deployment::from)?;
        if shown.id == id {
            self.seen.note(&shown);
        }
        Ok(shown)
    }

    async fn adopt(&self, id: &str, past_pulse: i64) -> Result<Deployment, StorageError> {
        let id = id.to_owned();
        let adopted = self
            .transact_at_length(move |transaction| {
                Box::pin(async move {
                    if let Some(statement) = no_time_limit(transaction.get_database_backend()) {
                        transaction
                            .execute_unprepared(statement)
                            .await
                            .map_err(by_meaning)?;
                    }
                    insert_if_absent(transaction, nobodys(id.clone())).await?;
                    let before = lock(transaction).await?;
                    let after = Model {
                        id,
                        adoptions: before.adoptions.saturating_add(1),
                        pulse: Ord::max(before.pulse, past_pulse).saturating_add(1),
                        ..before
                    };
                    let change = ActiveModel {
                        id: Set(after.id.clone()),
                        adoptions: Set(after.adoptions),
                        pulse: Set(after.pulse),
                        ..Default::default()
                    };
                    Entity::update_many()
                        .set(change)
                        .filter(Column::Only.eq(ONLY))
                        .exec(transaction)
                        .await
                        .map_err(by_meaning)?;
                    make_uncertain(transaction).await?;
                    Ok(after)
                })
            })
            .await
            .map(Deployment::from)?;
        self.seen.restart(&adopted);
        Ok(adopted)
    }
}

impl From<Model> for Deployment {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            adoptions: row.adoptions,
            pulse: row.pulse,
        }
    }
}

fn nobodys(id: String) -> Model {
    Model {
        only: ONLY,
        id,
        adoptions: 0,
        pulse: 0,
        beat_time: 0,
        resume_time: 0,
    }
}

async fn insert_if_absent(
    transaction: &DatabaseTransaction,
    row: Model,
) -> Result<(), StorageError> {
    Entity::insert(row.into_active_model())
        .on_conflict(OnConflict::column(Column::Only).do_nothing().to_owned())
        .exec_without_returning(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}

/// The row, locked: two who adopt come one after the other.
async fn lock(transaction: &DatabaseTransaction) -> Result<Model, StorageError> {
    Entity::find_by_id(ONLY)
        .lock(LockType::Update)
        .one(transaction)
        .await
        .map_err(by_meaning)?
        // The database belongs to nobody.
        .ok_or(StorageError::Changed)
}

/// Any refresh token may have been redeemed elsewhere since this copy was made, and no claim in it is anybody's.
async fn make_uncertain(transaction: &DatabaseTransaction) -> Result<(), StorageError> {
    let now = database_clock::read(transaction).await?;
    connection::Entity::update_many()
        .col_expr(
            connection::Column::UncertainSince,
            Expr::col(connection::Column::UncertainSince).if_null(now),
        )
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    refresh_claim::Entity::update_many()
        .col_expr(
            refresh_claim::Column::Epoch,
            Expr::col(refresh_claim::Column::Epoch).add(1),
        )
        .col_expr(refresh_claim::Column::State, Expr::value(CLAIM_CLOSED))
        .filter(refresh_claim::Column::State.eq(CLAIM_OPEN))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}
