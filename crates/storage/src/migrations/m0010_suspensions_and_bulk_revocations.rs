//! What operators have stopped, and jobs that revoke many connections.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, text},
};

/// This step.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// One job of a kind is under way at a time.
const ONE_UNDER_WAY: &str = "CREATE UNIQUE INDEX ix_bulk_revocations_under_way \
    ON bulk_revocations (workspace, integration_type, connector_id) WHERE state IN ('QUEUED', 'RUNNING')";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(suspensions()).await?;
        manager.create_table(bulk_revocations()).await?;
        manager
            .get_connection()
            .execute_unprepared(ONE_UNDER_WAY)
            .await?;
        // For what a job has yet to do, and how much that is.
        let by_type = Index::create()
            .name("ix_connections_workspace_integration_type_id")
            .table("connections")
            .col("workspace")
            .col("integration_type")
            .col("id")
            .take();
        manager.create_index(by_type).await
    }
}

fn suspensions() -> TableCreateStatement {
    Table::create()
        .table("suspensions")
        .col(text("workspace"))
        .col(text("kind"))
        .col(text("subject"))
        .col(text("comment"))
        .col(text("suspended_by"))
        .col(big_integer("create_time"))
        .primary_key(Index::create().col("workspace").col("kind").col("subject"))
        .take()
}

fn bulk_revocations() -> TableCreateStatement {
    Table::create()
        .table("bulk_revocations")
        .col(text("id").primary_key())
        .col(text("workspace"))
        .col(text("integration_type"))
        .col(text("connector_id"))
        .col(text("comment"))
        .col(text("started_by"))
        .col(text("state"))
        .col(big_integer("total_count"))
        .col(big_integer("revoked_count"))
        .col(big_integer("provider_failed_count"))
        .col(big_integer("create_time"))
        .col(big_integer_null("end_time"))
        .col(text("holder"))
        .col(big_integer("lease_until"))
        .take()
}
