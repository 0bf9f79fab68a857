//! Connections and their credentials at rest.

mod connect;
mod end;
mod import;
pub(crate) mod locked;
pub(crate) mod row;
mod siblings;
mod staged;
pub(crate) mod tags;
mod uses;

use async_trait::async_trait;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, Func, SimpleExpr},
};
use tokend_model::{
    Account, Connection, ConnectionFilter, ConnectionId, ConnectionUse, ConnectorId, Credential,
    IntegrationTypeName, Label, Owner, Timestamp, WorkspaceName,
    ports::{Connections, Ended, Imported, KeptGeneration, NewConnection, Page, StorageError},
};

use self::{
    connect::MAIN,
    row::{read_connection, read_credential, read_generation},
};
use crate::{
    Storage,
    columns::{kind_text, owner_columns, time},
    connect::clock,
    database_clock,
    entities::{
        connection::{ActiveModel, Column, Entity},
        connection_usage, credential,
    },
    faults::by_meaning,
};

#[async_trait]
impl Connections for Storage {
    async fn find(
        &self,
        workspace: &WorkspaceName,
        connector_id: &ConnectorId,
        owner: &Owner,
        label: &Label,
        token: &str,
    ) -> Result<Option<(Connection, Option<Credential>)>, StorageError> {
        let of_owner = of_owner(workspace, connector_id, owner, label);
        self.one(of_owner.filter(Column::Token.eq(token))).await
    }

    async fn get(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Option<(Connection, Option<Credential>)>, StorageError> {
        self.one(of_id(workspace, id)).await
    }

    async fn describe(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Option<Connection>, StorageError> {
        self.one_unopened(of_id(workspace, id)).await
    }

    async fn locate(
        &self,
        workspace: &WorkspaceName,
        connector_id: &ConnectorId,
        owner: &Owner,
        label: &Label,
    ) -> Result<Option<Connection>, StorageError> {
        let of_owner = of_owner(workspace, connector_id, owner, label);
        self.one_unopened(of_owner.filter(Column::Token.eq(MAIN)))
            .await
    }

    async fn generations(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Vec<KeptGeneration>, StorageError> {
        credential::Entity::find()
            .filter(credential::Column::ConnectionId.eq(id.as_str()))
            .filter(credential::Column::Workspace.eq(workspace.as_str()))
            .order_by_desc(credential::Column::Generation)
            .all(&self.database)
            .await
            .map_err(by_meaning)?
            .into_iter()
            .map(read_generation)
            .collect()
    }

    async fn list(
        &self,
        workspace: &WorkspaceName,
        filter: &ConnectionFilter,
        page: &Page,
    ) -> Result<Vec<Connection>, StorageError> {
        let mut query = Entity::find()
            .filter(Column::Workspace.eq(workspace.as_str()))
            .order_by_asc(Column::Id)
            .limit(page.limit);
        if let Some(after) = &page.after {
            query = query.filter(Column::Id.gt(after));
        }
        if let Some(connector_id) = &filter.connector_id {
            query = query.filter(Column::ConnectorId.eq(connector_id.as_str()));
        }
        if let Some(integration_type) = &filter.integration_type {
            query = query.filter(Column::IntegrationType.eq(integration_type.as_str()));
        }
        if let Some(owner) = &filter.owner {
            let (owner_kind, owner_user) = owner_columns(owner);
            query = query
                .filter(Column::OwnerKind.eq(owner_kind))
                .filter(Column::OwnerUser.eq(owner_user));
        }
        if let Some(kind) = filter.kind {
            query = query.filter(Column::OwnerKind.eq(kind_text(kind)));
        }
        if let Some(label) = &filter.label {
            query = query.filter(Column::Label.eq(label.as_str()));
        }
        if let Some(statuses) = &filter.statuses {
            let names = statuses.iter().map(|status| status.as_str());
            query = query.filter(Column::Status.is_in(names));
        }
        if let Some(types) = &filter.integration_types {
            let names = types.iter().map(IntegrationTypeName::as_str);
            query = query.filter(Column::IntegrationType.is_in(names));
        }
        if !filter.tags.is_empty() {
            query = query.filter(tags::with_all(workspace.as_str(), &filter.tags));
        }
        let rows = query
            .find_also_related(connection_usage::Entity)
            .all(&self.database)
            .await
            .map_err(by_meaning)?;
        let ids: Vec<&str> = rows.iter().map(|(row, _)| row.id.as_str()).collect();
        let mut tags = tags::of_many(&self.database, &ids).await?;
        rows.into_iter()
            .map(|(row, usage)| {
                let tags = tags.remove(&row.id).unwrap_or_default();
                read_connection(row, usage, tags)
            })
            .collect()
    }

    async fn connect(
        &self,
        new: &NewConnection,
        now: Timestamp,
    ) -> Result<Connection, StorageError> {
        let (storage, new) = (self.clone(), new.clone());
        self.transact(move |transaction| {
            Box::pin(async move { connect::connect(transaction, &storage, &new, now).await })
        })
        .await
    }

    async fn import(&self, new: &NewConnection, now: Timestamp) -> Result<Imported, StorageError> {
        let (storage, new) = (self.clone(), new.clone());
        self.transact(move |transaction| {
            Box::pin(async move { import::import(transaction, &storage, &new, now).await })
        })
        .await
    }

    async fn delete(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Ended, StorageError> {
        let (storage, workspace, id) = (self.clone(), workspace.clone(), id.clone());
        self.transact(move |transaction| {
            Box::pin(async move { end::delete(transaction, &storage, &workspace, &id).await })
        })
        .await
    }

    async fn revoke(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        reason: &str,
    ) -> Result<Ended, StorageError> {
        let (storage, workspace, id) = (self.clone(), workspace.clone(), id.clone());
        let reason = reason.to_owned();
        self.transact(move |transaction| {
            Box::pin(
                async move { end::revoke(transaction, &storage, &workspace, &id, &reason).await },
            )
        })
        .await
    }

    async fn set_account(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        account: &Account,
    ) -> Result<(), StorageError> {
        let change = ActiveModel {
            account_id: Set(account.id.clone()),
            account_email: Set(account.email.clone()),
            account_name: Set(account.name.clone()),
            ..Default::default()
        };
        // Not announced: what others have in memory is good, and they would forget it just after it was connected.
        Entity::update_many()
            .set(change)
            .filter(Column::Id.eq(id.as_str()))
            .filter(Column::Workspace.eq(workspace.as_str()))
            .exec(&self.database)
            .await
            .map_err(by_meaning)?;
        Ok(())
    }

    async fn record_uses(&self, uses: &[ConnectionUse]) -> Result<(), StorageError> {
        if uses.is_empty() {
            return Ok(());
        }
        let uses = uses.to_vec();
        self.transact(move |transaction| {
            Box::pin(async move { uses::record(transaction, &uses).await })
        })
        .await
    }

    async fn database_time(&self) -> Result<Timestamp, StorageError> {
        time(
            "the database clock",
            database_clock::read(&self.database).await?,
        )
    }
}

impl Storage {
    /// One connection with its counts and present credential, read in one statement so that they fit together; its tags
    /// after that.
    async fn one(
        &self,
        query: Select<Entity>,
    ) -> Result<Option<(Connection, Option<Credential>)>, StorageError> {
        let found = query
            .find_also_related(credential::Entity)
            .find_also_related(connection_usage::Entity)
            .one(&self.database)
            .await
            .map_err(by_meaning)?;
        let Some((row, credential, usage)) = found else {
            return Ok(None);
        };
        let credential = credential
            .map(|row| read_credential(row, &self.keyring))
            .transpose()?;
        let tags = tags::of_one(&self.database, &row.id).await?;
        Ok(Some((read_connection(row, usage, tags)?, credential)))
    }

    /// One connection with its counts; its credential stays where it is.
    async fn one_unopened(
        &self,
        query: Select<Entity>,
    ) -> Result<Option<Connection>, StorageError> {
        let found = query
            .find_also_related(connection_usage::Entity)
            .one(&self.database)
            .await
            .map_err(by_meaning)?;
        let Some((row, usage)) = found else {
            return Ok(None);
        };
        let tags = tags::of_one(&self.database, &row.id).await?;
        read_connection(row, usage, tags).map(Some)
    }
}

/// Since when a connection has been ended that is ended now, on the database's clock.
pub(crate) fn ended_time<C: ConnectionTrait>(connection: &C) -> SimpleExpr {
    let now = Expr::cust(clock(connection.get_database_backend()));
    Func::coalesce([Expr::col(Column::EndedTime), now]).into()
}

fn of_id(workspace: &WorkspaceName, id: &ConnectionId) -> Select<Entity> {
    Entity::find_by_id(id.as_str()).filter(Column::Workspace.eq(workspace.as_str()))
}

/// The connections of an owner under one label: one for each token.
fn of_owner(
    workspace: &WorkspaceName,
    connector_id: &ConnectorId,
    owner: &Owner,
    label: &Label,
) -> Select<Entity> {
    let (owner_kind, owner_user) = owner_columns(owner);
    Entity::find()
        .filter(Column::Workspace.eq(workspace.as_str()))
        .filter(Column::ConnectorId.eq(connector_id.as_str()))
        .filter(Column::OwnerKind.eq(owner_kind))
        .filter(Column::OwnerUser.eq(owner_user))
        .filter(Column::Label.eq(label.as_str()))
}
