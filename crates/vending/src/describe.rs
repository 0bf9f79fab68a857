//! Describing: all there is to know about one connection, for finding out what is wrong with it.

use tokend_model::{Connection, ConnectionId, Timestamp, WorkspaceName, ports::KeptGeneration};

use crate::{Error, Vending, vended::needs_user_by};

/// A connection with what is known of its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConnection {
    /// The connection.
    pub connection: Connection,
    /// The generations of its credential that are kept, newest first.
    pub generations: Vec<KeptGeneration>,
    /// By when the user has to consent again, as far as that is known.
    pub needs_user_by: Option<Timestamp>,
}

impl Vending {
    /// Describes a connection. Nothing secret is opened: what a lost key sealed is described all the same.
    pub async fn describe_connection(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<DescribedConnection, Error> {
        let connection = self.connection(workspace, id).await?;
        let connections = &self.shared.ports.connections;
        let generations = connections.generations(workspace, id).await?;
        let present = generations
            .iter()
            .find(|kept| kept.generation == connection.generation);
        let facts = self.facts(&connection);
        let needs_user_by = present.and_then(|present| {
            let end = present.refresh_expire_time;
            needs_user_by(&connection, &facts, present.expiry, end, present.renewable)
        });
        Ok(DescribedConnection {
            connection,
            generations,
            needs_user_by,
        })
    }
}
