//! Disconnecting: nothing is left here, and the provider is told where it listens.

use tokend_model::{
    Connection, ConnectionConfig, ConnectionFilter, ConnectionId, Connector, Credential,
    WorkspaceName,
    ports::{Page, Registration},
};

use crate::{Error, Target, Vending, error::log_token_failure};

impl Vending {
    /// Removes the connection a target names, and revokes its grant at the provider.
    pub async fn disconnect(&self, target: &Target) -> Result<(), Error> {
        let connector = self.connector(&target.workspace, &target.connector).await?;
        let found = self
            .shared
            .ports
            .connections
            .find(&target.workspace, &connector.id, &target.owner, &target.label)
            .await?;
        let (connection, _) = found.ok_or(Error::NotConnected { connect: None })?;
        self.delete_connection(&target.workspace, &connection.id).await
    }

    /// Removes a connection with everything sealed for it, and revokes its grant at the provider.
    pub async fn delete_connection(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<(), Error> {
        let (this, workspace, id) = (self.clone(), workspace.clone(), id.clone());
        let task = self.shared.tasks.spawn(async move {
            let removed = this.shared.ports.connections.delete(&workspace, &id).await?;
            let (connection, credential) = removed.ok_or(Error::ConnectionNotFound)?;
            this.forget(&connection, credential).await;
            Ok(())
        });
        task.await.unwrap_or(Err(Error::Internal))
    }

    /// Ends a connection but keeps it on record as revoked, without its secrets.
    pub async fn revoke_connection(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Connection, Error> {
        let (this, workspace, id) = (self.clone(), workspace.clone(), id.clone());
        let task = self.shared.tasks.spawn(async move {
            let revoked =
                this.shared.ports.connections.revoke(&workspace, &id, "REVOKED_BY_OPERATOR").await?;
            let (connection, credential) = revoked.ok_or(Error::ConnectionNotFound)?;
            this.forget(&connection, credential).await;
            Ok(connection)
        });
        task.await.unwrap_or(Err(Error::Internal))
    }

    /// One connection, without its secrets.
    pub async fn connection(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Connection, Error> {
        let found = self.shared.ports.connections.get(workspace, id).await?;
        found.map(|(connection, _)| connection).ok_or(Error::ConnectionNotFound)
    }

    /// Connections by id, without their secrets.
    pub async fn connections(
        &self,
        workspace: &WorkspaceName,
        filter: &ConnectionFilter,
        page: &Page,
    ) -> Result<Vec<Connection>, Error> {
        Ok(self.shared.ports.connections.list(workspace, filter, page).await?)
    }

    async fn forget(&self, connection: &Connection, credential: Option<Credential>) {
        self.shared.cache.remove(&self.cache_key_of(connection));
        let Some(credential) = credential else { return };
        match self.connector_of(connection).await {
            Ok(connector) => {
                self.revoke_at_provider(&connector, &connection.connection_config, &credential).await;
            }
            Err(error) => tracing::warn!(id = %connection.id, %error, "a grant was not revoked"),
        }
    }

    /// Tells the provider that a grant is over. Failing does not bring the connection back.
    pub(crate) async fn revoke_at_provider(
        &self,
        connector: &Connector,
        connection_config: &ConnectionConfig,
        credential: &Credential,
    ) {
        let registration = Registration { connector, connection_config };
        let server = &self.shared.ports.authorization_server;
        match server.revoke(registration, credential).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::info!(connector = %connector.id, "the provider has no revocation endpoint");
            }
            Err(failure) => log_token_failure("revoke", connector.id.as_str(), &failure),
        }
    }
}
