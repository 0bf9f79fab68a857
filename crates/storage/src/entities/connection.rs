//! Rows of connections, written by connecting and refreshing only.

use sea_orm::{
    entity::prelude::*,
    sea_query::{ExprTrait, IntoCondition},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "connections")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) workspace: String,
    pub(crate) connector_id: String,
    pub(crate) integration_type: String,
    pub(crate) owner_kind: String,
    pub(crate) owner_user: String,
    pub(crate) label: String,
    pub(crate) token: String,
    pub(crate) status: String,
    pub(crate) status_reason: String,
    pub(crate) account_id: Option<String>,
    pub(crate) account_email: Option<String>,
    pub(crate) account_name: Option<String>,
    pub(crate) connection_config: String,
    pub(crate) scopes: String,
    pub(crate) generation: i64,
    pub(crate) expiry: String,
    pub(crate) expire_time: Option<i64>,
    pub(crate) consecutive_failures: i64,
    pub(crate) last_failure: Option<String>,
    pub(crate) last_failure_time: Option<i64>,
    pub(crate) retry_time: Option<i64>,
    pub(crate) accused_time: Option<i64>,
    pub(crate) renewal_time: Option<i64>,
    pub(crate) uncertain_since: Option<i64>,
    pub(crate) create_time: i64,
    pub(crate) authorize_time: i64,
    pub(crate) refresh_time: i64,
    /// Since when it needs a person or is revoked; absent while it lives, and where an earlier release ended it.
    pub(crate) ended_time: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

/// The present credential: the one of the connection's own generation.
impl Related<super::credential::Entity> for Entity {
    fn to() -> RelationDef {
        Self::belongs_to(super::credential::Entity)
            .from(Column::Id)
            .to(super::credential::Column::ConnectionId)
            .on_condition(|connection, credential| {
                Expr::col((credential, super::credential::Column::Generation))
                    .equals((connection, Column::Generation))
                    .into_condition()
            })
            .into()
    }
}

impl Related<super::connection_usage::Entity> for Entity {
    fn to() -> RelationDef {
        Self::belongs_to(super::connection_usage::Entity)
            .from(Column::Id)
            .to(super::connection_usage::Column::ConnectionId)
            .into()
    }
}

impl ActiveModelBehavior for ActiveModel {}
