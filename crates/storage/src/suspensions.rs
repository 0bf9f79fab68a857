//! What operators have stopped, at rest.

use std::sync::Once;

use async_trait::async_trait;
use sea_orm::{
    DatabaseTransaction, EntityTrait, IntoActiveModel, ModelTrait, QueryFilter, QueryOrder, Select,
    entity::prelude::ColumnTrait, sea_query::OnConflict,
};
use tokend_model::{
    IntegrationTypeName, Timestamp, WorkspaceName,
    ports::{NewSuspension, StorageError, Suspendable, Suspension, Suspensions},
};

use crate::{
    Storage,
    columns::{name, time},
    database_clock,
    entities::suspension::{Column, Entity, Model},
    faults::{by_meaning, corrupt},
};

/// That there are rows which cannot be read is said once: they are looked at again every few seconds.
static UNREADABLE: Once = Once::new();

const CALLER: &str = "CALLER";
const INTEGRATION_TYPE: &str = "INTEGRATION_TYPE";
const WORKSPACE: &str = "WORKSPACE";

#[async_trait]
impl Suspensions for Storage {
    async fn all_suspensions(&self) -> Result<Vec<Suspension>, StorageError> {
        let rows = Entity::find()
            .all(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(rows.into_iter().filter_map(read_or_stop_all).collect())
    }

    async fn suspensions(
        &self,
        workspace: &WorkspaceName,
    ) -> Result<Vec<Suspension>, StorageError> {
        let rows = Entity::find()
            .filter(Column::Workspace.eq(workspace.as_str()))
            .order_by_desc(Column::CreateTime)
            .order_by_asc(Column::Kind)
            .order_by_asc(Column::Subject)
            .all(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(rows.into_iter().filter_map(read_or_stop_all).collect())
    }

    async fn suspend(&self, new: &NewSuspension) -> Result<Suspension, StorageError> {
        let new = new.clone();
        self.transact(move |transaction| Box::pin(async move { suspend(transaction, new).await }))
            .await
    }

    async fn resume(
        &self,
        workspace: &WorkspaceName,
        subject: &Suspendable,
    ) -> Result<Option<Suspension>, StorageError> {
        let (workspace, subject) = (workspace.clone(), subject.clone());
        self.transact(move |transaction| {
            Box::pin(async move { resume(transaction, &workspace, &subject).await })
        })
        .await
    }
}

async fn suspend(
    transaction: &DatabaseTransaction,
    new: NewSuspension,
) -> Result<Suspension, StorageError> {
    let (kind, subject) = columns(&new.subject);
    let row = Model {
        workspace: new.workspace.to_string(),
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        comment: new.comment,
        suspended_by: new.suspended_by,
        create_time: database_clock::read(transaction).await?,
    };
    let identity = [Column::Workspace, Column::Kind, Column::Subject];
    Entity::insert(row.into_active_model())
        .on_conflict(OnConflict::columns(identity).do_nothing().to_owned())
        .exec_without_returning(transaction)
        .await
        .map_err(by_meaning)?;
    let present = of(&new.workspace, &new.subject)
        .one(transaction)
        .await
        .map_err(by_meaning)?;
    // Somebody else may have removed it since.
    present.map_or(Err(StorageError::Changed), read)
}

async fn resume(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    subject: &Suspendable,
) -> Result<Option<Suspension>, StorageError> {
    let present = of(workspace, subject)
        .one(transaction)
        .await
        .map_err(by_meaning)?;
    let Some(row) = present else {
        return Ok(None);
    };
    row.clone().delete(transaction).await.map_err(by_meaning)?;
    read(row).map(Some)
}

fn of(workspace: &WorkspaceName, subject: &Suspendable) -> Select<Entity> {
    let (kind, subject) = columns(subject);
    Entity::find_by_id((workspace.to_string(), kind.to_owned(), subject.to_owned()))
}

fn columns(subject: &Suspendable) -> (&'static str, &str) {
    match subject {
        Suspendable::Caller(name) => (CALLER, name),
        Suspendable::IntegrationType(name) => (INTEGRATION_TYPE, name.as_str()),
        Suspendable::Workspace => (WORKSPACE, ""),
    }
}

/// What the row stops. One that cannot be read, such as a newer release's, stops its whole workspace: what it was meant
/// to stop is in there. Nothing only where that is no workspace that anybody could ask about.
fn read_or_stop_all(row: Model) -> Option<Suspension> {
    let (kind, workspace) = (row.kind.clone(), row.workspace.clone());
    let instead = Suspension {
        workspace: WorkspaceName::new(workspace.as_str()).ok()?,
        subject: Suspendable::Workspace,
        comment: format!(
            "stands for a suspension of kind {kind:?} that cannot be read: {}",
            row.comment
        ),
        suspended_by: row.suspended_by.clone(),
        create_time: Timestamp::UNIX_EPOCH,
    };
    Some(read(row).unwrap_or_else(|error| {
        UNREADABLE.call_once(|| {
            tracing::error!(kind, workspace, %error, "suspensions that cannot be read, such as this one, stop their workspaces");
        });
        instead
    }))
}

fn read(row: Model) -> Result<Suspension, StorageError> {
    let subject = match row.kind.as_str() {
        CALLER => Suspendable::Caller(row.subject),
        INTEGRATION_TYPE => Suspendable::IntegrationType(name(
            "suspensions.subject",
            row.subject,
            IntegrationTypeName::new,
        )?),
        WORKSPACE => Suspendable::Workspace,
        _ => return Err(corrupt("suspensions.kind", "it is no kind")),
    };
    Ok(Suspension {
        workspace: name("suspensions.workspace", row.workspace, WorkspaceName::new)?,
        subject,
        comment: row.comment,
        suspended_by: row.suspended_by,
        create_time: time("suspensions.create_time", row.create_time)?,
    })
}
