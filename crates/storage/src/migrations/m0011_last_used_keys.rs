//! When a caller's API key was last accepted.

use sea_orm_migration::{prelude::*, schema::big_integer_null};

/// This step.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("api_keys")
            .add_column(big_integer_null("last_used_time"))
            .take();
        manager.alter_table(table).await
    }
}
