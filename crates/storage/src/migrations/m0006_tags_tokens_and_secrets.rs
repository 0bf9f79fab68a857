//! Tags, several tokens of one account, client secrets that are being rotated, when renewing failed, and when a
//! connection ended.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer_null, blob_null, text},
};

/// This step.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What told an owner's connections under a connector apart before; PostgreSQL keeps 63 letters of its name.
const FORMER_IDENTITY: &str = "ix_connections_workspace_connector_id_owner_kind_owner_user_label";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ("connectors", blob_null("other_client_secrets").take()),
            (
                "connectors",
                text("account_change").default("ACCEPT").take(),
            ),
            ("connections", text("token").default("").take()),
            ("connections", big_integer_null("last_failure_time").take()),
            ("connections", big_integer_null("ended_time").take()),
            ("authorizations", text("tags").default("{}").take()),
            ("authorizations", blob_null("answer").take()),
        ];
        // SQLite adds one column a statement.
        for (table, column) in columns {
            let table = Table::alter().table(table).add_column(column).take();
            manager.alter_table(table).await?;
        }
        manager.create_index(identity()).await?;
        let mut former = Index::drop();
        former.name(FORMER_IDENTITY).table("connections");
        manager.drop_index(former).await?;
        manager.create_table(connection_tags()).await?;
        let by_tag = Index::create()
            .name("ix_connection_tags_name_value")
            .table("connection_tags")
            .col("workspace")
            .col("name")
            .col("value")
            .take();
        manager.create_index(by_tag).await
    }
}

/// What tells an owner's connections under a connector apart.
fn identity() -> IndexCreateStatement {
    Index::create()
        .name("ix_connections_identity")
        .table("connections")
        .col("workspace")
        .col("connector_id")
        .col("owner_kind")
        .col("owner_user")
        .col("label")
        .col("token")
        .unique()
        .take()
}

fn connection_tags() -> TableCreateStatement {
    let mut of_connection = ForeignKey::create()
        .name("fk_connection_tags_connection")
        .from("connection_tags", "connection_id")
        .to("connections", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .take();
    Table::create()
        .table("connection_tags")
        .col(text("connection_id"))
        .col(text("name"))
        .col(text("workspace"))
        .col(text("value"))
        .primary_key(Index::create().col("connection_id").col("name"))
        .foreign_key(&mut of_connection)
        .take()
}
