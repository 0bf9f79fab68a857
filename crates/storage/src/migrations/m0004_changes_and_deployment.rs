//! What other replicas must hear of, and whose database this is.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_pk_auto, text},
};

/// This step.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(changes()).await?;
        let index = Index::create()
            .name("ix_changes_change_time")
            .table("changes")
            .col("change_time")
            .take();
        manager.create_index(index).await?;
        manager.create_table(deployments()).await
    }
}

fn changes() -> TableCreateStatement {
    Table::create()
        .table("changes")
        .col(big_pk_auto("id"))
        .col(big_integer("change_time"))
        .col(text("workspace"))
        .col(text("kind"))
        .col(text("subject"))
        .take()
}

/// A database belongs to one deployment: there is no second row to write.
fn deployments() -> TableCreateStatement {
    Table::create()
        .table("deployments")
        .col(
            big_integer("only")
                .primary_key()
                .check(Expr::col("only").eq(1)),
        )
        .col(text("id"))
        .col(big_integer("adoptions"))
        .col(big_integer("pulse"))
        .col(big_integer("beat_time"))
        .col(big_integer("resume_time"))
        .take()
}
