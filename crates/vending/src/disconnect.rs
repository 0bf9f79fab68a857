//! Disconnecting: nothing is left here, and the provider is told where it listens.

use tokend_model::{
    Connection, ConnectionFilter, ConnectionId, Connector, Credential, WorkspaceName,
    ports::{Ended, Page, Registration},
};

use crate::{Error, Target, Vending, error::log_token_failure, tags::check_tags};

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

impl ProviderRevocation {
    /// What became of two tokens of one connection: that it could not be told is worth knowing, whatever became of the
    /// other.
    pub(crate) fn and(self, other: Self) -> Self {
        [Self::Failed, Self::Revoked, Self::NotSupported]
            .into_iter()
            .find(|outcome| self == *outcome || other == *outcome)
            .unwrap_or(Self::Skipped)
    }
}

impl Vending {
    /// Removes the connection a target names with all its tokens, and revokes each at the provider. `None`: there was none.
    pub async fn disconnect(&self, target: &Target) -> Result<Option<ProviderRevocation>, Error> {
        let connector = self
            .named_connector(&target.workspace, &target.connector)
            .await?;
        let found = self
            .consent_of(
                &target.workspace,
                &connector.id,
                &target.owner,
                &target.label,
            )
            .await?;
        // One of them stands for all.
        let Some(connection) = found.first() else {
            return Ok(None);
        };
        self.delete_connection(&target.workspace, &connection.id, false)
            .await
            .map(Some)
    }

    /// Removes a connection and its siblings with everything sealed for them, and revokes each at the provider unless
    /// `local_only`.
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
            if removed.is_empty() {
                return Err(Error::ConnectionNotFound);
            }
            Ok(this.forget_all(&removed, &connector, local_only).await)
        });
        task.await.unwrap_or(Err(Error::Internal))
    }

    /// Ends a connection and its siblings but keeps them on record as revoked, without their secrets.
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
            let revocation = this.forget_all(&revoked, &connector, local_only).await;
            let named = revoked.into_iter().next();
            let (connection, _) = named.ok_or(Error::ConnectionNotFound)?;
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
        check_tags(&filter.tags)?;
        let named = filter.integration_type.as_ref();
        let canonical = named.map(|name| self.canonical_name(workspace, name));
        let filter = &ConnectionFilter {
            integration_type: canonical,
            ..filter.clone()
        };
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

    async fn forget_all(
        &self,
        ended: &Ended,
        connector: &Connector,
        local_only: bool,
    ) -> ProviderRevocation {
        for (connection, _) in ended {
            self.shared.cache.remove(&self.cache_key_of(connection));
        }
        let mut all = ProviderRevocation::Skipped;
        for (connection, credential) in ended.iter().filter(|_| !local_only) {
            if let Some(credential) = credential {
                let registration = Registration {
                    connector,
                    connection_config: &connection.connection_config,
                    token: connection.token_kind(),
                };
                all = all.and(self.revoke_at_provider(registration, credential).await);
            }
        }
        all
    }

    /// Tells the provider that a grant is over. Failing does not bring the connection back.
    pub(crate) async fn revoke_at_provider(
        &self,
        registration: Registration<'_>,
        credential: &Credential,
    ) -> ProviderRevocation {
        let connector = registration.connector;
        if let Err(error) = self.may_call_providers() {
            tracing::warn!(%error, connector = %connector.id, "a grant was not revoked");
            return ProviderRevocation::Skipped;
        }
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
