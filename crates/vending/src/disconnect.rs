//! Disconnecting: nothing is left here, and the provider is told where it listens.

use tokend_model::{
    Connection, ConnectionConfig, ConnectionFilter, ConnectionId, Connector, Credential,
    WorkspaceName,
    ports::{Page, Registration},
};

use crate::{Error, Target, Vending, error::log_token_failure};

/// What the provider made of a connection's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderRevocation {
    /// It ended the grant.
    Revoked,
    /// It has no way to end one.
    NotSupported,
    /// It could not be told; the log says why.
    Failed,
    /// It was not told: that was asked for, or there was nothing to revoke.
    Skipped,
}

impl Vending {
    /// Removes the connection a target names, and revokes its grant at the provider. `None`: there was none.
    pub async fn disconnect(&self, target: &Target) -> Result<Option<ProviderRevocation>, Error> {
        let connector = self
            .named_connector(&target.workspace, &target.connector)
            .await?;
        let found = self
            .shared
            .ports
            .connections
            .locate(
                &target.workspace,
                &connector.id,
                &target.owner,
                &target.label,
            )
            .await?;
        let Some(connection) = found else {
            return Ok(None);
        };
        self.delete_connection(&target.workspace, &connection.id, false)
            .await
            .map(Some)
    }

    /// Removes a connection with everything sealed for it, and revokes its grant at the provider unless `local_only`.
    pub async fn delete_connection(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        local_only: bool,
    ) -> Result<ProviderRevocation, Error> {
        let (this, workspace, id) = (self.clone(), workspace.clone(), id.clone());
        let task = self.shared.tasks.spawn(async move {
            let connector = this.connector_to_tell(&workspace, &id).await?;
            let removed = this
                .shared
                .ports
                .connections
                .delete(&workspace, &id)
                .await?;
            let (connection, credential) = removed.ok_or(Error::ConnectionNotFound)?;
            let credential = credential.filter(|_| !local_only);
            Ok(this.forget(&connection, &connector, credential).await)
        });
        task.await.unwrap_or(Err(Error::Internal))
    }

    /// Ends a connection but keeps it on record as revoked, without its secrets.
    pub async fn revoke_connection(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        local_only: bool,
    ) -> Result<(Connection, ProviderRevocation), Error> {
        let (this, workspace, id) = (self.clone(), workspace.clone(), id.clone());
        let task = self.shared.tasks.spawn(async move {
            let connector = this.connector_to_tell(&workspace, &id).await?;
            let revoked = this
                .shared
                .ports
                .connections
                .revoke(&workspace, &id, "REVOKED_BY_OPERATOR")
                .await?;
            let (connection, credential) = revoked.ok_or(Error::ConnectionNotFound)?;
            let credential = credential.filter(|_| !local_only);
            let revocation = this.forget(&connection, &connector, credential).await;
            Ok((connection, revocation))
        });
        task.await.unwrap_or(Err(Error::Internal))
    }

    /// One connection, without its secrets.
    pub async fn connection(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Connection, Error> {
        let found = self
            .shared
            .ports
            .connections
            .describe(workspace, id)
            .await?;
        found.ok_or(Error::ConnectionNotFound)
    }

    /// Connections by id, without their secrets.
    pub async fn connections(
        &self,
        workspace: &WorkspaceName,
        filter: &ConnectionFilter,
        page: &Page,
    ) -> Result<Vec<Connection>, Error> {
        Ok(self
            .shared
            .ports
            .connections
            .list(workspace, filter, page)
            .await?)
    }

    /// All connections the filter leaves, for filters that leave few: one owner's, say.
    pub async fn all_connections(
        &self,
        workspace: &WorkspaceName,
        filter: &ConnectionFilter,
    ) -> Result<Vec<Connection>, Error> {
        let mut all: Vec<Connection> = Vec::new();
        loop {
            let after = all.last().map(|connection| connection.id.to_string());
            let page = Page { after, limit: 1000 };
            let part = self.connections(workspace, filter, &page).await?;
            if part.is_empty() {
                return Ok(all);
            }
            all.extend(part);
        }
    }

    /// The connector of a connection that is about to end. Read before: afterwards nothing may stand between the end and
    /// the provider's hearing of it.
    async fn connector_to_tell(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Connector, Error> {
        let connection = self.connection(workspace, id).await?;
        self.connector_of(&connection).await
    }

    async fn forget(
        &self,
        connection: &Connection,
        connector: &Connector,
        credential: Option<Credential>,
    ) -> ProviderRevocation {
        self.shared.cache.remove(&self.cache_key_of(connection));
        let Some(credential) = credential else {
            return ProviderRevocation::Skipped;
        };
        let config = &connection.connection_config;
        self.revoke_at_provider(connector, config, &credential)
            .await
    }

    /// Tells the provider that a grant is over. Failing does not bring the connection back.
    pub(crate) async fn revoke_at_provider(
        &self,
        connector: &Connector,
        connection_config: &ConnectionConfig,
        credential: &Credential,
    ) -> ProviderRevocation {
        if let Err(error) = self.may_call_providers() {
            tracing::warn!(%error, connector = %connector.id, "a grant was not revoked");
            return ProviderRevocation::Skipped;
        }
        let registration = Registration {
            connector,
            connection_config,
        };
        let server = &self.shared.ports.authorization_server;
        match server.revoke(registration, credential).await {
            Ok(true) => ProviderRevocation::Revoked,
            Ok(false) => ProviderRevocation::NotSupported,
            Err(failure) => {
                log_token_failure("revoke", connector.id.as_str(), &failure);
                ProviderRevocation::Failed
            }
        }
    }
}
