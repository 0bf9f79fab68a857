//! What callers do for the app users they prove, other than getting tokens.

use tokend_api::v1;
use tokend_model::{Connection, ConnectionFilter, ConnectorKind, Owner};
use tokend_vending::{
    CompleteAuthorization, ConnectorRef, Error, StartAuthorization, StartedAuthorization, Starter,
    Target,
};

use super::{connector_service::Connector, from_proto, page::PageRequest, to_proto};
use crate::{admission::Admitted, failure::Failure};

impl Connector {
    pub(super) async fn connect(
        &self,
        admitted: &Admitted,
        request: v1::ConnectAppUserRequest,
    ) -> Result<v1::ConnectAppUserResponse, Failure> {
        let user = admitted.call.user()?;
        let start = StartAuthorization {
            workspace: admitted.call.workspace.clone(),
            connector: ConnectorRef::AppUser(from_proto::connector_id(&request.connector_id)?),
            owner: Owner::AppUser(user),
            label: from_proto::label(request.label.as_deref())?,
            scopes: request.scopes,
            connection_config: request.connection_config.into_iter().collect(),
            tags: Default::default(),
            return_url: request.return_url.filter(|url| !url.is_empty()),
            reconnect: request.reconnect,
            device: false,
            subject_token: None,
            by_operator: false,
        };
        Ok(match self.vending.start_authorization(&start).await? {
            StartedAuthorization::Open {
                authorization,
                redirect_url,
                ..
            } => v1::ConnectAppUserResponse {
                redirect_url: redirect_url.expose().to_owned(),
                authorization_id: authorization.id.to_string(),
                expire_time: Some(to_proto::timestamp(authorization.expire_time)),
                already_connected: None,
            },
            StartedAuthorization::AlreadyConnected(id) => v1::ConnectAppUserResponse {
                already_connected: Some(v1::AlreadyConnected {
                    connection_id: id.to_string(),
                }),
                ..Default::default()
            },
            // Only operators start what needs no browser.
            StartedAuthorization::Device { .. } | StartedAuthorization::Connected(_) => {
                return Err(Error::Internal.into());
            }
        })
    }

    pub(super) async fn complete(
        &self,
        admitted: &Admitted,
        request: v1::CompleteAppUserConnectionRequest,
    ) -> Result<v1::CompleteAppUserConnectionResponse, Failure> {
        let user = admitted.call.user()?;
        let id = from_proto::authorization_id(&request.authorization_id)?;
        let complete = CompleteAuthorization {
            workspace: admitted.call.workspace.clone(),
            id,
            completion_token: from_proto::secret("completion_token", request.completion_token)?,
            starter: Starter::Owner(Owner::AppUser(user)),
            accept_account_change: request.accept_account_change,
        };
        let connection = self.vending.complete_authorization(&complete).await?;
        let connector = self
            .vending
            .get_connector(&admitted.call.workspace, &connection.connector_id)
            .await?;
        let wanted = self.vending.wanted_scopes(&connection, &connector);
        let connection = Some(to_proto::connection(&connection, &wanted));
        Ok(v1::CompleteAppUserConnectionResponse { connection })
    }

    pub(super) async fn disconnect(
        &self,
        admitted: &Admitted,
        request: &v1::DisconnectAppUserRequest,
    ) -> Result<v1::DisconnectAppUserResponse, Failure> {
        let user = admitted.call.user()?;
        let target = Target {
            workspace: admitted.call.workspace.clone(),
            connector: ConnectorRef::AppUser(from_proto::connector_id(&request.connector_id)?),
            owner: Owner::AppUser(user),
            label: from_proto::label(request.label.as_deref())?,
            token: String::new(),
        };
        let revocation = self.vending.disconnect(&target).await?;
        Ok(v1::DisconnectAppUserResponse {
            disconnected: revocation.is_some(),
            provider_revocation: revocation
                .map(|revocation| to_proto::revocation(revocation, false))
                .unwrap_or_default()
                .into(),
        })
    }

    /// The connectors an app user can connect, each with their connections, ordered by connector and connection id.
    pub(super) async fn list(
        &self,
        admitted: &Admitted,
        request: &v1::ListAppUserConnectionsRequest,
    ) -> Result<v1::ListAppUserConnectionsResponse, Failure> {
        let user = admitted.call.user()?;
        let page = PageRequest::new(request.page_size, &request.page_token)?;
        let workspace = &admitted.call.workspace;
        let filter = ConnectionFilter {
            owner: Some(Owner::AppUser(user)),
            ..ConnectionFilter::default()
        };
        let statuses = from_proto::statuses(&request.statuses)?;
        let mut owned = self.vending.all_connections(workspace, &filter).await?;
        // What an operator's import has yet to prove good is nobody's to see.
        owned.retain(|connection| !Connection::is_staged(&connection.token));
        let (owned, siblings): (Vec<_>, Vec<_>) = owned
            .into_iter()
            .partition(|connection| connection.token.is_empty());
        let wanted = match request.integration_type.as_str() {
            "" => None,
            name => {
                let name = from_proto::integration_type(name)?;
                Some(self.vending.canonical_name(workspace, &name))
            }
        };
        let mut rows = Vec::new();
        for connector in self.vending.all_connectors(workspace).await? {
            let offered = connector.kind == ConnectorKind::AppUser && !connector.disabled;
            // Another replica may have been told of a type that is yet to be noticed here.
            let Ok(integration_type) = self
                .vending
                .integration_type(workspace, &connector.integration_type)
            else {
                continue;
            };
            let in_category =
                request.category.is_empty() || request.category == integration_type.category;
            let is_wanted = wanted
                .as_ref()
                .is_none_or(|name| *name == integration_type.name);
            if !offered || !in_category || !is_wanted {
                continue;
            }
            let mut connected: Vec<_> = owned
                .iter()
                .filter(|connection| connection.connector_id == connector.id)
                .map(|connection| {
                    let connected = Some((connection, siblings.as_slice()));
                    to_proto::app_user_connection(&connector, &integration_type, connected)
                })
                .collect();
            if connected.is_empty() {
                connected.push(to_proto::app_user_connection(
                    &connector,
                    &integration_type,
                    None,
                ));
            }
            rows.extend(connected);
        }
        if !statuses.is_empty() {
            rows.retain(|row| statuses.contains(&row.status()));
        }
        let keyed = rows
            .into_iter()
            .map(|row| (format!("{}/{}", row.connector_id, row.connection_id), row));
        let (rows, next_page_token) = page.take(keyed.collect(), |(key, _)| key);
        let connections = rows.into_iter().map(|(_, row)| row).collect();
        Ok(v1::ListAppUserConnectionsResponse {
            connections,
            next_page_token,
        })
    }
}
