//! Rows of connectors; `shared_type` is the integration type of a shared one, unique in its workspace.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "connectors")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) integration_type: String,
    pub(crate) kind: String,
    pub(crate) shared_type: Option<String>,
    pub(crate) display_name: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<Vec<u8>>,
    pub(crate) other_client_secrets: Option<Vec<u8>>,
    pub(crate) scopes: String,
    pub(crate) connection_config: String,
    pub(crate) return_urls: String,
    pub(crate) disabled: bool,
    pub(crate) account_change: String,
    pub(crate) version: i64,
    pub(crate) create_time: i64,
    pub(crate) update_time: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
