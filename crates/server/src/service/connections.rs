//! Connections, for operators: what there is, bringing one from elsewhere, and ending or renewing one.

use tokend_api::v1;
use tokend_model::{
    Connection, ConnectionFilter, ConnectionId, IntegrationTypeName, Owner, WorkspaceName,
};
use tokend_vending::{Error, ImportFailure};

use super::{admin::Admin, from_proto, page::PageRequest, to_proto};

impl Admin {
    pub(super) async fn list_connections_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::ListConnectionsRequest,
    ) -> Result<v1::ListConnectionsResponse, Error> {
        let page = PageRequest::new(request.page_size, &request.page_token)?;
        let mut filter = filter(&request)?;
        if !request.category.is_empty() {
            filter.integration_types = Some(self.types_of(workspace, &request.category));
        }
        let mut rows = self
            .vending
            .connections(workspace, &filter, &page.to_read())
            .await?;
        let next_page_token = page.cut(&mut rows, |row| row.id.as_str());
        let connectors = self.vending.all_connectors(workspace).await?;
        let connector_of = |row: &Connection| {
            connectors
                .iter()
                .find(|connector| connector.id == row.connector_id)
        };
        let connections = rows
            .iter()
            .map(|row| {
                let wanted = connector_of(row)
                    .map(|connector| self.vending.wanted_scopes(row, connector))
                    .unwrap_or_default();
                to_proto::connection(row, &wanted)
            })
            .collect();
        Ok(v1::ListConnectionsResponse {
            connections,
            next_page_token,
        })
    }

    pub(super) async fn describe_connection_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::DescribeConnectionRequest,
    ) -> Result<v1::DescribeConnectionResponse, Error> {
        let id = from_proto::connection_id(&request.connection_id)?;
        let described = self.vending.describe_connection(workspace, &id).await?;
        let connection = &described.connection;
        let health = &connection.refresh_health;
        Ok(v1::DescribeConnectionResponse {
            connection: Some(self.shown_connection(connection).await?),
            generations: described
                .generations
                .iter()
                .map(to_proto::credential_generation)
                .collect(),
            next_refresh_time: connection.renewal_time.map(to_proto::timestamp),
            consecutive_failures: to_proto::count(health.consecutive_failures),
            last_failure_reason: health.last_failure.clone().unwrap_or_default(),
            last_failure_provider_error: String::new(),
            last_failure_time: health.last_failure_time.map(to_proto::timestamp),
            needs_user_by_time: described.needs_user_by.map(to_proto::timestamp),
        })
    }

    pub(super) async fn import_connection_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::ImportConnectionRequest,
    ) -> Result<v1::ImportConnectionResponse, ImportFailure> {
        let import = from_proto::import_connection(workspace, request)?;
        let connection = self.vending.import_connection(import).await?;
        let connection = Some(self.shown_connection(&connection).await?);
        Ok(v1::ImportConnectionResponse { connection })
    }

    pub(super) async fn refresh_connection_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::RefreshConnectionRequest,
    ) -> Result<v1::RefreshConnectionResponse, Error> {
        let before = self
            .checked(workspace, &request.connection_id, &request.etag)
            .await?;
        self.vending
            .refresh_connection(workspace, &before.id)
            .await?;
        let after = self.vending.connection(workspace, &before.id).await?;
        Ok(v1::RefreshConnectionResponse {
            renewed: after.generation > before.generation,
            connection: Some(self.shown_connection(&after).await?),
        })
    }

    pub(super) async fn revoke_connection_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::RevokeConnectionRequest,
    ) -> Result<v1::RevokeConnectionResponse, Error> {
        let present = self
            .checked(workspace, &request.connection_id, &request.etag)
            .await?;
        let (connection, revocation) = self
            .vending
            .revoke_connection(workspace, &present.id, request.local_only)
            .await?;
        Ok(v1::RevokeConnectionResponse {
            connection: Some(self.shown_connection(&connection).await?),
            provider_revocation: to_proto::revocation(revocation, request.local_only).into(),
        })
    }

    pub(super) async fn delete_connection_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::DeleteConnectionRequest,
    ) -> Result<v1::DeleteConnectionResponse, Error> {
        let present = self
            .checked(workspace, &request.connection_id, &request.etag)
            .await?;
        let revocation = self
            .vending
            .delete_connection(workspace, &present.id, request.local_only)
            .await?;
        Ok(v1::DeleteConnectionResponse {
            provider_revocation: to_proto::revocation(revocation, request.local_only).into(),
        })
    }

    pub(super) async fn shown_connection(
        &self,
        connection: &Connection,
    ) -> Result<v1::Connection, Error> {
        let connector = self
            .vending
            .get_connector(&connection.workspace, &connection.connector_id)
            .await?;
        let wanted = self.vending.wanted_scopes(connection, &connector);
        Ok(to_proto::connection(connection, &wanted))
    }

    /// The integration types of a category.
    fn types_of(&self, workspace: &WorkspaceName, category: &str) -> Vec<IntegrationTypeName> {
        let types = self.vending.catalogue().list(workspace);
        types
            .iter()
            .filter(|known| known.category == category)
            .map(|known| known.name.clone())
            .collect()
    }

    /// The connection, if its etag is still the one given.
    pub(super) async fn checked(
        &self,
        workspace: &WorkspaceName,
        id: &str,
        etag: &str,
    ) -> Result<Connection, Error> {
        let id: ConnectionId = from_proto::connection_id(id)?;
        let connection = self.vending.connection(workspace, &id).await?;
        match etag.is_empty() || *etag == self.shown_connection(&connection).await?.etag {
            true => Ok(connection),
            false => Err(Error::EtagMismatch),
        }
    }
}

fn filter(request: &v1::ListConnectionsRequest) -> Result<ConnectionFilter, Error> {
    let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let statuses = from_proto::statuses(&request.statuses)?;
    Ok(ConnectionFilter {
        connector_id: named(&request.connector_id)
            .map(|id| from_proto::connector_id(&id))
            .transpose()?,
        integration_type: named(&request.integration_type)
            .map(|name| from_proto::integration_type(&name))
            .transpose()?,
        kind: from_proto::kind(request.kind()),
        owner: named(&request.app_user_id)
            .map(|id| from_proto::app_user_id(&id).map(Owner::AppUser))
            .transpose()?,
        label: request
            .label
            .as_deref()
            .map(|label| from_proto::label(Some(label)))
            .transpose()?,
        statuses: match statuses.is_empty() {
            true => None,
            false => Some(
                statuses
                    .into_iter()
                    .filter_map(from_proto::status)
                    .collect(),
            ),
        },
        integration_types: None,
        tags: request.tags.clone().into_iter().collect(),
    })
}
