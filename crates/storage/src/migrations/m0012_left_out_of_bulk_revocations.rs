//! How many connections a bulk revocation could not revoke when it tried them last.

use sea_orm_migration::{prelude::*, schema::big_integer};

/// This step.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("bulk_revocations")
            .add_column(big_integer("left_out_count").default(0))
            .take();
        manager.alter_table(table).await
    }
}
