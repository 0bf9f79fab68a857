//! Rows of credentials; tokens are sealed.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "credentials")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) connection_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) generation: i64,
    pub(crate) workspace: String,
    pub(crate) access_token: Vec<u8>,
    pub(crate) token_type: String,
    pub(crate) refresh_token: Option<Vec<u8>>,
    pub(crate) expiry: String,
    pub(crate) expire_time: Option<i64>,
    pub(crate) refresh_expire_time: Option<i64>,
    pub(crate) scopes: String,
    pub(crate) receive_time: i64,
    pub(crate) source: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
