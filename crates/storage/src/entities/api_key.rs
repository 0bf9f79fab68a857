//! Rows of callers' API keys.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) key_id: String,
    pub(crate) workspace: String,
    pub(crate) secret_hash: Vec<u8>,
    pub(crate) caller: String,
    pub(crate) role: String,
    pub(crate) create_time: i64,
    pub(crate) expire_time: Option<i64>,
    pub(crate) last_used_time: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
