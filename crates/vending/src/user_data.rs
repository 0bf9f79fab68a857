//! What is stored about one app user: told on request, and erased on request.

use std::collections::{BTreeMap, HashSet, btree_map::Entry};

use tokend_model::{AppUserId, Authorization, Connection, ConnectionFilter, Owner, WorkspaceName};

use crate::{
    Error, ProviderRevocation, Vending, account_change::may_share_grant, error::ACCOUNT_CHANGED,
};

/// All that is stored about an app user, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserData {
    /// Their connections.
    pub connections: Vec<Connection>,
    /// Their attempts to connect that are kept, oldest first.
    pub authorizations: Vec<Authorization>,
}

/// What was erased of an app user, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedUser {
    /// The connections, and what became of each grant at its provider.
    pub connections: Vec<(Connection, ProviderRevocation)>,
    /// How many attempts to connect.
    pub authorizations: u64,
}

impl Vending {
    /// All that is stored about an app user of a workspace.
    pub async fn user_data(
        &self,
        workspace: &WorkspaceName,
        app_user: &AppUserId,
    ) -> Result<UserData, Error> {
        let owner = Owner::AppUser(app_user.clone());
        let authorizations = self
            .shared
            .ports
            .housekeeping
            .authorizations_of(workspace, &owner)
            .await?;
        Ok(UserData {
            connections: self.connections_of(workspace, &owner).await?,
            authorizations,
        })
    }

    /// What erasing an app user would remove.
    pub async fn erasable_user(
        &self,
        workspace: &WorkspaceName,
        app_user: &AppUserId,
    ) -> Result<ErasedUser, Error> {
        let found = self.user_data(workspace, app_user).await?;
        let untold = |connection| (connection, ProviderRevocation::Skipped);
        let mut connections = main_ones_first(found.connections);
        let mut consents = HashSet::new();
        // Siblings go with the one that is told, and are not told by themselves.
        connections.retain(|connection| {
            Connection::is_staged(&connection.token)
                || consents.insert((connection.connector_id.clone(), connection.label.clone()))
        });
        Ok(ErasedUser {
            connections: connections.into_iter().map(untold).collect(),
            authorizations: found.authorizations.len() as u64,
        })
    }

    /// Removes all that is stored about an app user, and revokes each grant at its provider; in a task that outlives the
    /// caller. Erasing somebody of whom nothing is there removes nothing, and is no error.
    pub async fn erase_user(
        &self,
        workspace: &WorkspaceName,
        app_user: &AppUserId,
    ) -> Result<ErasedUser, Error> {
        let (this, workspace) = (self.clone(), workspace.clone());
        let owner = Owner::AppUser(app_user.clone());
        let task = self
            .shared
            .tasks
            .spawn(async move { this.erase(&workspace, &owner).await });
        task.await.unwrap_or(Err(Error::Internal))
    }

    /// The attempts go first: one that is under way then finds that it may not become a connection. What ending their
    /// grants needs is read before: afterwards nothing may stand between the end and the provider's hearing of it.
    async fn erase(&self, workspace: &WorkspaceName, owner: &Owner) -> Result<ErasedUser, Error> {
        let housekeeping = &self.shared.ports.housekeeping;
        let mut connectors = BTreeMap::new();
        for attempt in housekeeping.authorizations_of(workspace, owner).await? {
            let id = attempt.connector_id;
            if let Entry::Vacant(unread) = connectors.entry(id) {
                let connectors = &self.shared.ports.connectors;
                let connector = connectors.get(workspace, unread.key()).await?;
                unread.insert(connector);
            }
        }
        let owned = self.connections_of(workspace, owner).await?;
        let attempts = housekeeping.erase_authorizations(workspace, owner).await?;
        let authorizations = attempts.len() as u64;
        for (attempt, held) in attempts {
            let Some(answer) = held else { continue };
            let present = owned.iter().find(|connection| {
                connection.connector_id == attempt.connector_id && connection.label == attempt.label
            });
            // That connection's end below is the grant's, unless the attempt was with another account.
            if attempt.failure_reason != ACCOUNT_CHANGED && may_share_grant(present) {
                continue;
            }
            if let Some(Some(connector)) = connectors.get(&attempt.connector_id) {
                self.revoke_fresh(connector, &attempt, answer).await;
            }
        }
        // One may have come of an attempt meanwhile.
        let owned = main_ones_first(self.connections_of(workspace, owner).await?);
        let mut connections = Vec::new();
        for connection in owned {
            match self
                .delete_connection(workspace, &connection.id, false)
                .await
            {
                Ok(revocation) => connections.push((connection, revocation)),
                // It went with its main one, or somebody else was faster.
                Err(Error::ConnectionNotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ErasedUser {
            connections,
            authorizations,
        })
    }

    async fn connections_of(
        &self,
        workspace: &WorkspaceName,
        owner: &Owner,
    ) -> Result<Vec<Connection>, Error> {
        let filter = ConnectionFilter {
            owner: Some(owner.clone()),
            ..ConnectionFilter::default()
        };
        self.all_connections(workspace, &filter).await
    }
}

/// Siblings after the connections that they belong to.
fn main_ones_first(mut connections: Vec<Connection>) -> Vec<Connection> {
    connections.sort_by(|one, other| one.token.cmp(&other.token));
    connections
}
