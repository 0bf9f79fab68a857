//! Rows of bulk revocations; without a connector, its id is empty.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bulk_revocations")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) workspace: String,
    pub(crate) integration_type: String,
    pub(crate) connector_id: String,
    pub(crate) comment: String,
    pub(crate) started_by: String,
    pub(crate) state: String,
    pub(crate) total_count: i64,
    pub(crate) revoked_count: i64,
    pub(crate) provider_failed_count: i64,
    pub(crate) create_time: i64,
    pub(crate) end_time: Option<i64>,
    /// Who carries it out; empty while nobody has taken it up.
    pub(crate) holder: String,
    /// Until when nobody else takes it up.
    pub(crate) lease_until: i64,
    /// Connections that could not be revoked when they were tried last.
    pub(crate) left_out_count: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
