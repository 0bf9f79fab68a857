//! The first tables. A shared column set of texts, integers, booleans and bytes: what both databases keep alike.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, blob, blob_null, boolean, text, text_null},
};

/// This step.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            integration_overrides(),
            connectors(),
            connections(),
            connection_usage(),
            credentials(),
            authorizations(),
            refresh_claims(),
            api_keys(),
        ] {
            manager.create_table(table).await?;
        }
        for index in [
            unique("connectors", &["workspace", "shared_type"]),
            unique(
                "connections",
                &[
                    "workspace",
                    "connector_id",
                    "owner_kind",
                    "owner_user",
                    "label",
                ],
            ),
            unique("authorizations", &["ticket_hash"]),
            unique("authorizations", &["state_hash"]),
            plain(
                "authorizations",
                &["workspace", "connector_id", "owner_kind", "owner_user"],
            ),
            plain("connections", &["workspace", "id"]),
        ] {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn integration_overrides() -> TableCreateStatement {
    Table::create()
        .table("integration_overrides")
        .col(text("workspace"))
        .col(text("name"))
        .col(text("definition"))
        .col(big_integer("create_time"))
        .col(big_integer("update_time"))
        .primary_key(Index::create().col("workspace").col("name"))
        .take()
}

fn connectors() -> TableCreateStatement {
    Table::create()
        .table("connectors")
        .col(text("workspace"))
        .col(text("id"))
        .col(text("integration_type"))
        .col(text("kind"))
        .col(text_null("shared_type"))
        .col(text("display_name"))
        .col(text("client_id"))
        .col(blob_null("client_secret"))
        .col(text("scopes"))
        .col(text("connection_config"))
        .col(text("return_urls"))
        .col(boolean("disabled"))
        .col(big_integer("version"))
        .col(big_integer("create_time"))
        .col(big_integer("update_time"))
        .primary_key(Index::create().col("workspace").col("id"))
        .take()
}

fn connections() -> TableCreateStatement {
    Table::create()
        .table("connections")
        .col(text("id").primary_key())
        .col(text("workspace"))
        .col(text("connector_id"))
        .col(text("integration_type"))
        .col(text("owner_kind"))
        .col(text("owner_user"))
        .col(text("label"))
        .col(text("status"))
        .col(text("status_reason"))
        .col(text_null("account_id"))
        .col(text_null("account_email"))
        .col(text_null("account_name"))
        .col(text("connection_config"))
        .col(text("scopes"))
        .col(big_integer("generation"))
        .col(text("expiry"))
        .col(big_integer_null("expire_time"))
        .col(big_integer("consecutive_failures"))
        .col(text_null("last_failure"))
        .col(big_integer_null("retry_time"))
        .col(big_integer_null("accused_time"))
        .col(big_integer("create_time"))
        .col(big_integer("authorize_time"))
        .col(big_integer("refresh_time"))
        .foreign_key(&mut of_connector("connections"))
        .take()
}

fn connection_usage() -> TableCreateStatement {
    Table::create()
        .table("connection_usage")
        .col(text("connection_id").primary_key())
        .col(text("workspace"))
        .col(big_integer("use_count"))
        .col(big_integer_null("last_use_time"))
        .foreign_key(&mut of_connection("connection_usage"))
        .take()
}

fn credentials() -> TableCreateStatement {
    Table::create()
        .table("credentials")
        .col(text("connection_id"))
        .col(big_integer("generation"))
        .col(text("workspace"))
        .col(blob("access_token"))
        .col(text("token_type"))
        .col(blob_null("refresh_token"))
        .col(text("expiry"))
        .col(big_integer_null("expire_time"))
        .col(big_integer_null("refresh_expire_time"))
        .col(text("scopes"))
        .col(big_integer("receive_time"))
        .primary_key(Index::create().col("connection_id").col("generation"))
        .foreign_key(&mut of_connection("credentials"))
        .take()
}

fn authorizations() -> TableCreateStatement {
    Table::create()
        .table("authorizations")
        .col(text("id").primary_key())
        .col(text("workspace"))
        .col(text("connector_id"))
        .col(text("owner_kind"))
        .col(text("owner_user"))
        .col(text("label"))
        .col(text("scopes"))
        .col(text("connection_config"))
        .col(text_null("return_url"))
        .col(text("state"))
        .col(text("failure_reason"))
        .col(text_null("connection_id"))
        .col(big_integer("create_time"))
        .col(big_integer("expire_time"))
        .col(blob("ticket_hash"))
        .col(blob_null("completion_hash"))
        .col(blob_null("state_hash"))
        .col(blob_null("browser_hash"))
        .col(text_null("redirect_uri"))
        .col(blob_null("pkce_verifier"))
        .col(blob_null("code"))
        .foreign_key(&mut of_connector("authorizations"))
        .take()
}

fn refresh_claims() -> TableCreateStatement {
    Table::create()
        .table("refresh_claims")
        .col(text("connection_id").primary_key())
        .col(text("workspace"))
        .col(big_integer("epoch"))
        .col(text("holder"))
        .col(big_integer("base_generation"))
        .col(big_integer("started_at"))
        .col(big_integer("heartbeat_at"))
        .col(big_integer("deadline_at"))
        .col(text("state"))
        .foreign_key(&mut of_connection("refresh_claims"))
        .take()
}

fn api_keys() -> TableCreateStatement {
    Table::create()
        .table("api_keys")
        .col(text("key_id").primary_key())
        .col(text("workspace"))
        .col(blob("secret_hash"))
        .col(text("caller"))
        .col(text("role"))
        .col(big_integer("create_time"))
        .col(big_integer_null("expire_time"))
        .take()
}

/// What lives under a connector goes with it.
fn of_connector(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_connector"))
        .from(table, ("workspace", "connector_id"))
        .to("connectors", ("workspace", "id"))
        .on_delete(ForeignKeyAction::Cascade)
        .take()
}

/// What belongs to a connection goes with it.
fn of_connection(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_connection"))
        .from(table, "connection_id")
        .to("connections", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .take()
}

fn unique(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    plain(table, columns).unique().take()
}

fn plain(table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index
        .name(format!("ix_{table}_{}", columns.join("_")))
        .table(table);
    for column in columns {
        index.col(*column);
    }
    index
}
