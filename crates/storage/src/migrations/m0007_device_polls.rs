//! How often a provider may be asked about a device code, and from when on.

use sea_orm_migration::{prelude::*, schema::big_integer_null};

/// This step.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["poll_interval", "poll_time"] {
            let table = Table::alter()
                .table("authorizations")
                .add_column(big_integer_null(column))
                .take();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}
