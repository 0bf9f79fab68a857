//! Appending: the head's row is locked, so that no two records take one place, and none is left empty.

use std::sync::Arc;

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
    sea_query::{Expr, LockType, OnConflict},
};
use tokend_model::{
    AuditEvent, WorkspaceName,
    ports::{AuditPlace, AuditSeal, StorageError},
};

use crate::{
    entities::{
        audit_head::{Column, Entity, Model},
        audit_record,
    },
    faults::by_meaning,
};

/// Rows a statement; each takes a dozen parameters, of which the databases allow some ten thousand.
const CHUNK: usize = 200;

/// The events' records, behind the last one of their workspace.
pub(super) async fn append(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
    events: &[Arc<AuditEvent>],
    seal: &dyn AuditSeal,
) -> Result<(), StorageError> {
    let mut place = next_place(workspace, Some(lock(transaction, workspace).await?));
    let mut rows = Vec::with_capacity(events.len());
    for event in events {
        let sealed = seal.seal(event, &place)?;
        rows.push(row(
            workspace,
            event,
            place.sequence,
            sealed.line,
            &sealed.hash,
        ));
        place.sequence += 1;
        place.previous_hash = sealed.hash;
    }
    for chunk in rows.chunks(CHUNK) {
        let chunk = chunk
            .iter()
            .cloned()
            .map(IntoActiveModel::into_active_model);
        audit_record::Entity::insert_many(chunk)
            .exec_without_returning(transaction)
            .await
            .map_err(by_meaning)?;
    }
    Entity::update_many()
        .col_expr(Column::Sequence, Expr::value(place.sequence - 1))
        .col_expr(Column::Hash, Expr::value(place.previous_hash))
        .filter(Column::Workspace.eq(workspace.as_str()))
        .exec(transaction)
        .await
        .map_err(by_meaning)?;
    Ok(())
}

/// The place behind a head.
pub(super) fn next_place(workspace: &WorkspaceName, head: Option<Model>) -> AuditPlace {
    let (sequence, previous_hash) =
        head.map_or_else(Default::default, |head| (head.sequence, head.hash));
    AuditPlace {
        stream: format!("workspace/{}", workspace.as_str()),
        sequence: sequence + 1,
        previous_hash,
    }
}

async fn lock(
    transaction: &DatabaseTransaction,
    workspace: &WorkspaceName,
) -> Result<Model, StorageError> {
    let first = Model {
        workspace: workspace.as_str().to_owned(),
        sequence: 0,
        hash: String::new(),
    };
    Entity::insert(first.into_active_model())
        .on_conflict(
            OnConflict::column(Column::Workspace)
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(transaction)
        .await
        .map_err(by_meaning)?;
    Entity::find_by_id(workspace.as_str())
        .lock(LockType::Update)
        .one(transaction)
        .await
        .map_err(by_meaning)?
        .ok_or(StorageError::Changed)
}

fn row(
    workspace: &WorkspaceName,
    event: &AuditEvent,
    sequence: i64,
    line: String,
    hash: &str,
) -> audit_record::Model {
    // PostgreSQL has no texts with a NUL; the line has it escaped.
    let text = |text: &str| text.replace('\0', "\u{fffd}");
    audit_record::Model {
        workspace: workspace.as_str().to_owned(),
        sequence,
        event_time: event.time.timestamp_millis(),
        action: event.action.name().to_owned(),
        outcome: event.outcome.name().to_owned(),
        caller: text(&event.actor.caller),
        app_user_id: text(&event.actor.app_user_id),
        integration_type: text(&event.subject.integration_type),
        connector_id: text(&event.subject.connector_id),
        connection_id: text(&event.subject.connection_id),
        line,
        hash: hash.to_owned(),
    }
}
