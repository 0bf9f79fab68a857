//! Rows of authorizations; one-time values are hashes, verifier and code are sealed.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "authorizations")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) workspace: String,
    pub(crate) connector_id: String,
    pub(crate) owner_kind: String,
    pub(crate) owner_user: String,
    pub(crate) label: String,
    pub(crate) scopes: String,
    pub(crate) connection_config: String,
    pub(crate) tags: String,
    pub(crate) return_url: Option<String>,
    pub(crate) state: String,
    pub(crate) failure_reason: String,
    pub(crate) connection_id: Option<String>,
    pub(crate) create_time: i64,
    pub(crate) expire_time: i64,
    pub(crate) ticket_hash: Vec<u8>,
    pub(crate) completion_hash: Option<Vec<u8>>,
    pub(crate) state_hash: Option<Vec<u8>>,
    pub(crate) browser_hash: Option<Vec<u8>>,
    pub(crate) redirect_uri: Option<String>,
    pub(crate) pkce_verifier: Option<Vec<u8>>,
    pub(crate) code: Option<Vec<u8>>,
    pub(crate) answer: Option<Vec<u8>>,
    pub(crate) poll_interval: Option<i64>,
    pub(crate) poll_time: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
