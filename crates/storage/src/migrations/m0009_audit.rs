//! The audit trail: a chain of records for each workspace, and how far chains kept elsewhere have come.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, text},
};

/// This step.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(records()).await?;
        let by_time = Index::create()
            .name("ix_audit_records_workspace_event_time")
            .table("audit_records")
            .col("workspace")
            .col("event_time")
            .take();
        manager.create_index(by_time).await?;
        manager.create_table(heads()).await?;
        manager.create_table(anchors()).await
    }
}

/// What is filtered by stands beside the line, which holds all of it.
fn records() -> TableCreateStatement {
    Table::create()
        .table("audit_records")
        .col(text("workspace"))
        .col(big_integer("sequence"))
        .col(big_integer("event_time"))
        .col(text("action"))
        .col(text("outcome"))
        .col(text("caller"))
        .col(text("app_user_id"))
        .col(text("integration_type"))
        .col(text("connector_id"))
        .col(text("connection_id"))
        .col(text("line"))
        .col(text("hash"))
        .primary_key(Index::create().col("workspace").col("sequence"))
        .take()
}

fn heads() -> TableCreateStatement {
    Table::create()
        .table("audit_heads")
        .col(text("workspace").primary_key())
        .col(big_integer("sequence"))
        .col(text("hash"))
        .take()
}

fn anchors() -> TableCreateStatement {
    Table::create()
        .table("audit_anchors")
        .col(text("stream").primary_key())
        .col(big_integer("sequence"))
        .col(text("hash"))
        .col(text("place"))
        .col(big_integer("anchor_time"))
        .take()
}
