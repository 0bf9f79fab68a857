//! Rows of refresh claims: one for each connection that was ever refreshed; times are the database's.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_claims")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) connection_id: String,
    pub(crate) workspace: String,
    pub(crate) epoch: i64,
    pub(crate) holder: String,
    pub(crate) base_generation: i64,
    pub(crate) started_at: i64,
    pub(crate) heartbeat_at: i64,
    pub(crate) deadline_at: i64,
    pub(crate) state: String,
    /// Until when an earlier attempt on the same generation, taken over before its deadline, may still store its answer;
    /// 0 if there is none.
    pub(crate) predecessor_deadline_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
