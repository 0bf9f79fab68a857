//! The audit trail at rest: records that are only ever appended, in one chain for each workspace.

mod anchors;
mod append;

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, sea_query::Order,
};
use tokend_model::{
    AuditEvent, Timestamp, WorkspaceName,
    ports::{
        AuditAnchor, AuditFilter, AuditPlace, AuditSeal, AuditTrail, StorageError,
        StoredAuditRecord,
    },
};

use crate::{
    Storage,
    columns::name,
    entities::{
        audit_head,
        audit_record::{Column, Entity},
    },
    faults::by_meaning,
};

#[async_trait]
impl AuditTrail for Storage {
    async fn append(
        &self,
        workspace: &WorkspaceName,
        events: Vec<Arc<AuditEvent>>,
        seal: Arc<dyn AuditSeal>,
    ) -> Result<(), StorageError> {
        let workspace = workspace.clone();
        self.transact(move |transaction| {
            Box::pin(async move { append::append(transaction, &workspace, &events, &*seal).await })
        })
        .await
    }

    async fn list(
        &self,
        workspace: &WorkspaceName,
        filter: &AuditFilter,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<StoredAuditRecord>, StorageError> {
        let order = match filter.oldest_first {
            true => Order::Asc,
            false => Order::Desc,
        };
        let mut query = passing(filter)
            .filter(Column::Workspace.eq(workspace.as_str()))
            .order_by(Column::Sequence, order)
            .limit(limit);
        if let Some(after) = after {
            query = query.filter(match filter.oldest_first {
                true => Column::Sequence.gt(after),
                false => Column::Sequence.lt(after),
            });
        }
        let rows = query.all(&self.database).await.map_err(by_meaning)?;
        let record = |row: crate::entities::audit_record::Model| StoredAuditRecord {
            sequence: row.sequence,
            line: row.line,
        };
        Ok(rows.into_iter().map(record).collect())
    }

    async fn next_place(&self, workspace: &WorkspaceName) -> Result<AuditPlace, StorageError> {
        let head = audit_head::Entity::find_by_id(workspace.as_str())
            .one(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(append::next_place(workspace, head))
    }

    async fn workspaces(&self) -> Result<Vec<WorkspaceName>, StorageError> {
        let rows = audit_head::Entity::find()
            .order_by_asc(audit_head::Column::Workspace)
            .all(&self.database)
            .await
            .map_err(by_meaning)?;
        let read = |row: audit_head::Model| {
            name("audit_heads.workspace", row.workspace, WorkspaceName::new)
        };
        rows.into_iter().map(read).collect()
    }

    async fn last_before(
        &self,
        workspace: &WorkspaceName,
        time: Timestamp,
    ) -> Result<Option<(i64, String)>, StorageError> {
        let rows = || Entity::find().filter(Column::Workspace.eq(workspace.as_str()));
        let kept = rows()
            .filter(Column::EventTime.gte(time.timestamp_millis()))
            .order_by_asc(Column::Sequence)
            .one(&self.database)
            .await
            .map_err(by_meaning)?;
        let mut old = rows().order_by_desc(Column::Sequence);
        if let Some(kept) = kept {
            old = old.filter(Column::Sequence.lt(kept.sequence));
        }
        let last = old.one(&self.database).await.map_err(by_meaning)?;
        Ok(last.map(|row| (row.sequence, row.hash)))
    }

    async fn remove_through(
        &self,
        workspace: &WorkspaceName,
        sequence: i64,
    ) -> Result<u64, StorageError> {
        let removed = Entity::delete_many()
            .filter(Column::Workspace.eq(workspace.as_str()))
            .filter(Column::Sequence.lte(sequence))
            .exec(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(removed.rows_affected)
    }

    async fn anchor(&self, anchor: &AuditAnchor) -> Result<(), StorageError> {
        self.put_anchor(anchor).await
    }

    async fn anchor_of(&self, stream: &str) -> Result<Option<AuditAnchor>, StorageError> {
        self.get_anchor(stream).await
    }
}

fn passing(filter: &AuditFilter) -> Select<Entity> {
    let mut query = Entity::find();
    if let Some(start) = filter.start {
        query = query.filter(Column::EventTime.gte(start.timestamp_millis()));
    }
    if let Some(end) = filter.end {
        query = query.filter(Column::EventTime.lt(end.timestamp_millis()));
    }
    if !filter.actions.is_empty() {
        let actions = filter.actions.iter().map(|action| action.name());
        query = query.filter(Column::Action.is_in(actions));
    }
    if let Some(outcome) = filter.outcome {
        query = query.filter(Column::Outcome.eq(outcome.name()));
    }
    for (column, wanted) in [
        (Column::Caller, &filter.caller),
        (Column::AppUserId, &filter.app_user_id),
        (Column::ConnectorId, &filter.connector_id),
        (Column::ConnectionId, &filter.connection_id),
        (Column::IntegrationType, &filter.integration_type),
    ] {
        if !wanted.is_empty() {
            query = query.filter(column.eq(wanted.as_str()));
        }
    }
    query
}
