//! Rows of answers that came too late to be committed; tokens are sealed.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orphans")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) workspace: String,
    pub(crate) connection_id: String,
    pub(crate) base_generation: i64,
    pub(crate) epoch: i64,
    pub(crate) access_token: Vec<u8>,
    pub(crate) token_type: String,
    pub(crate) refresh_token: Option<Vec<u8>>,
    pub(crate) expiry: String,
    pub(crate) expire_time: Option<i64>,
    pub(crate) refresh_expire_time: Option<i64>,
    pub(crate) scopes: String,
    pub(crate) receive_time: i64,
    pub(crate) tried: bool,
    pub(crate) create_time: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
