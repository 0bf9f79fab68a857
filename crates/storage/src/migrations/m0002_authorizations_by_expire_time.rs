//! Attempts that ran out of time are found without reading all of them.

use sea_orm_migration::prelude::*;

/// This step.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::create()
            .name("ix_authorizations_expire_time")
            .table("authorizations")
            .col("expire_time")
            .take();
        manager.create_index(index).await
    }
}
