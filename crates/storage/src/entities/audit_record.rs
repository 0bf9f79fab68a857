//! Rows of the audit trail, a chain for each workspace.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_records")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) workspace: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) sequence: i64,
    pub(crate) event_time: i64,
    pub(crate) action: String,
    pub(crate) outcome: String,
    pub(crate) caller: String,
    pub(crate) app_user_id: String,
    pub(crate) integration_type: String,
    pub(crate) connector_id: String,
    pub(crate) connection_id: String,
    pub(crate) line: String,
    pub(crate) hash: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
