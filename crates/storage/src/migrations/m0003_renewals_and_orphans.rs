//! What renewing needs: when it is due, what is uncertain, answers that came too late and clients that have to wait.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, blob, blob_null, boolean, text},
};

/// This step.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What has a refresh token and needs no person becomes due at 70 % of its token's life, and after 6.5 days at the
/// latest.
const FIRST_RENEWALS: &str = "\
    UPDATE connections SET renewal_time = refresh_time + CASE \
        WHEN expire_time IS NULL OR expire_time - refresh_time > 802285714 THEN 561600000 \
        ELSE (expire_time - refresh_time) * 7 / 10 END \
    WHERE status IN ('AUTHORIZED', 'EXPIRED') AND EXISTS (\
        SELECT 1 FROM credentials WHERE credentials.connection_id = connections.id \
        AND credentials.generation = connections.generation AND credentials.refresh_token IS NOT NULL)";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column a statement.
        for column in ["renewal_time", "uncertain_since"] {
            let table = Table::alter()
                .table("connections")
                .add_column(big_integer_null(column))
                .take();
            manager.alter_table(table).await?;
        }
        manager
            .get_connection()
            .execute_unprepared(FIRST_RENEWALS)
            .await?;
        manager.create_table(orphans()).await?;
        manager.create_table(client_pauses()).await?;
        manager
            .create_index(index("connections", "renewal_time"))
            .await?;
        manager
            .create_index(index("orphans", "connection_id"))
            .await
    }
}

fn orphans() -> TableCreateStatement {
    let mut of_connection = ForeignKey::create()
        .name("fk_orphans_connection")
        .from("orphans", "connection_id")
        .to("connections", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .take();
    Table::create()
        .table("orphans")
        .col(text("id").primary_key())
        .col(text("workspace"))
        .col(text("connection_id"))
        .col(big_integer("base_generation"))
        .col(big_integer("epoch"))
        .col(blob("access_token"))
        .col(text("token_type"))
        .col(blob_null("refresh_token"))
        .col(text("expiry"))
        .col(big_integer_null("expire_time"))
        .col(big_integer_null("refresh_expire_time"))
        .col(text("scopes"))
        .col(big_integer("receive_time"))
        .col(boolean("tried"))
        .col(big_integer("create_time"))
        .foreign_key(&mut of_connection)
        .take()
}

fn client_pauses() -> TableCreateStatement {
    Table::create()
        .table("client_pauses")
        .col(text("workspace"))
        .col(text("endpoint"))
        .col(text("client_id"))
        .col(big_integer("until_time"))
        .primary_key(
            Index::create()
                .col("workspace")
                .col("endpoint")
                .col("client_id"),
        )
        .take()
}

fn index(table: &'static str, column: &'static str) -> IndexCreateStatement {
    Index::create()
        .name(format!("ix_{table}_{column}"))
        .table(table)
        .col(column)
        .take()
}
