//! How a credential came about, for those who look for what is wrong with a connection.

use sea_orm_migration::{prelude::*, schema::text_null};

/// This step.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("credentials")
            .add_column(text_null("source"))
            .take();
        manager.alter_table(table).await
    }
}
