//! Until when an attempt that was taken over may still store its answer.

use sea_orm_migration::{prelude::*, schema::big_integer};

/// This step.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("refresh_claims")
            .add_column(big_integer("predecessor_deadline_at").default(0))
            .take();
        manager.alter_table(table).await
    }
}
