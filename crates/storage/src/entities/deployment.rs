//! The one row that says which deployment the database belongs to.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deployments")]
pub(crate) struct Model {
    /// Always 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) only: i64,
    pub(crate) id: String,
    pub(crate) adoptions: i64,
    pub(crate) pulse: i64,
    /// When a replica last counted the pulse on.
    pub(crate) beat_time: i64,
    /// When one did so after nobody had for a while.
    pub(crate) resume_time: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
