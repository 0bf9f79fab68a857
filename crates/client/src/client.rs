//! The client: one method for each thing a backend does.

use std::time::Duration;

use tokend_api::v1::{
    CompleteAppUserConnectionRequest, CompleteAppUserConnectionResponse, ConnectAppUserRequest,
    ConnectAppUserResponse, DisconnectAppUserRequest, DisconnectAppUserResponse,
    admin_service_client::AdminServiceClient, connector_service_client::ConnectorServiceClient,
};
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use crate::{
    ClientBuilder, Error, GetConnection,
    call::{Call, Repeat},
    interceptor::{Authenticated, CallMetadata, metadata_value},
};

/// A client of tokend. Cloning it is cheap; all clones share one connection.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    metadata: CallMetadata,
    timeout: Duration,
}

impl Client {
    /// A client of the tokend at this endpoint: `http://host:port`, `https://host:port` with TLS, or
    /// `unix:/path`.
    pub fn builder(endpoint: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(endpoint.into())
    }

    pub(crate) fn new(channel: Channel, metadata: CallMetadata, timeout: Duration) -> Self {
        Self {
            channel,
            metadata,
            timeout,
        }
    }

    /// The same client for another workspace.
    pub fn in_workspace(&self, workspace: &str) -> Result<Self, Error> {
        let mut client = self.clone();
        client.metadata.workspace = Some(metadata_value("workspace", workspace)?);
        Ok(client)
    }

    /// The same client with another time for each call, retries included.
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        let mut client = self.clone();
        client.timeout = timeout;
        client
    }

    /// The workspace's shared connection of an integration type, such as `googlecalendar`.
    pub fn get_connection(&self, integration_type: impl Into<String>) -> GetConnection {
        GetConnection::shared(self.clone(), integration_type.into())
    }

    /// The connection of the app user whose JWT this is.
    pub fn get_current_app_user_connection(
        &self,
        connector_id: impl Into<String>,
        user_token: impl Into<String>,
    ) -> GetConnection {
        GetConnection::app_user(self.clone(), connector_id.into(), user_token.into())
    }

    /// Starts connecting an account of the app user; the answer says where to send the browser.
    pub async fn connect_app_user(
        &self,
        request: ConnectAppUserRequest,
        user_token: &str,
    ) -> Result<ConnectAppUserResponse, Error> {
        let user_token = metadata_value("app user's token", user_token)?;
        let connectors = self.connectors();
        self.call(Some(&user_token), Repeat::WhenTold)
            .send(&request, |request| {
                let mut connectors = connectors.clone();
                async move { connectors.connect_app_user(request).await }
            })
            .await
    }

    /// Completes what [`connect_app_user`](Self::connect_app_user) started, with both values that came on the return
    /// URL.
    pub async fn complete_app_user_connection(
        &self,
        authorization_id: impl Into<String>,
        completion_token: impl Into<String>,
        user_token: &str,
    ) -> Result<CompleteAppUserConnectionResponse, Error> {
        let user_token = metadata_value("app user's token", user_token)?;
        let connectors = self.connectors();
        let request = CompleteAppUserConnectionRequest {
            authorization_id: authorization_id.into(),
            completion_token: completion_token.into(),
            accept_account_change: false,
        };
        self.call(Some(&user_token), Repeat::WhenTold)
            .send(&request, |request| {
                let mut connectors = connectors.clone();
                async move { connectors.complete_app_user_connection(request).await }
            })
            .await
    }

    /// Removes the app user's connection, here and at the provider. Disconnecting what is not connected succeeds.
    pub async fn disconnect_app_user(
        &self,
        request: DisconnectAppUserRequest,
        user_token: &str,
    ) -> Result<DisconnectAppUserResponse, Error> {
        let user_token = metadata_value("app user's token", user_token)?;
        let connectors = self.connectors();
        self.call(Some(&user_token), Repeat::WhenUnavailable)
            .send(&request, |request| {
                let mut connectors = connectors.clone();
                async move { connectors.disconnect_app_user(request).await }
            })
            .await
    }

    /// The generated stub of `ConnectorService`, without deadline and retries.
    pub fn connectors(&self) -> ConnectorServiceClient<Authenticated> {
        ConnectorServiceClient::with_interceptor(self.channel.clone(), self.metadata.clone())
    }

    /// The generated stub of `AdminService`, without deadline and retries.
    pub fn admin(&self) -> AdminServiceClient<Authenticated> {
        AdminServiceClient::with_interceptor(self.channel.clone(), self.metadata.clone())
    }

    pub(crate) fn call<'a>(
        &self,
        user_token: Option<&'a MetadataValue<Ascii>>,
        repeat: Repeat,
    ) -> Call<'a> {
        Call {
            timeout: self.timeout,
            user_token,
            repeat,
        }
    }
}
