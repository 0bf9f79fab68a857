//! Importing only what proves good: the grant is renewed beside the owner's connection, and then takes its place.
//!
//! What a renewal brings must survive anything. So the grant is a connection of its own until it has proved good, and its
//! renewal is an ordinary one: claimed, journaled, committed, recovered. Nobody vends it, and what the owner's connection
//! has stays until then. Dying in between loses nothing: importing the same grant again goes on from its successor.

use std::time::Duration;

use tokend_model::{
    Connection, Connector,
    ports::{Imported, NewConnection, StorageError},
};

use crate::{
    Error, Vending,
    import::{first_renewal, refused},
};

impl Vending {
    /// Renews the grant, and only then puts it in place. One that the owner's connection has already is renewed there
    /// unless it works.
    pub(crate) async fn verified(&self, new: &NewConnection) -> Result<Connection, Error> {
        let ports = &self.shared.ports;
        let staged = match ports.staged_imports.stage(new, ports.clock.now()).await? {
            Imported::Stored(staged) => staged,
            Imported::Held(held) if Connection::is_staged(&held.token) => held,
            Imported::Held(held) if self.works(&held) => return Ok(held),
            Imported::Held(held) => {
                let renewed = self.renew(first_renewal(&held)).await;
                renewed.map_err(refused)?;
                return self.connection(&held.workspace, &held.id).await;
            }
        };
        // An earlier import may have proved it good and died over it.
        if !self.is_proven(&staged)
            && let Err(error) = self.renew(first_renewal(&staged)).await
        {
            let discarded = ports
                .staged_imports
                .discard(&staged.workspace, &staged.id)
                .await;
            if let Err(error) = discarded {
                tracing::warn!(id = %staged.id, %error, "a grant that was not verified is still there");
            }
            return Err(refused(error));
        }
        let promoted = ports
            .staged_imports
            .promote(&staged.id, new, ports.clock.now())
            .await;
        let connection = match promoted {
            Ok(Some(connection)) => connection,
            // Somebody is importing or renewing the same.
            Ok(None) | Err(StorageError::Changed) => {
                let retry_after = Duration::from_secs(2);
                return Err(Error::RefreshInProgress { retry_after });
            }
            Err(error) => return Err(error.into()),
        };
        self.shared.cache.remove(&self.cache_key_of(&staged));
        self.shared.cache.remove(&self.cache_key_of(&connection));
        Ok(connection)
    }

    /// Asks whose account a connection is, with its present token.
    pub(crate) async fn learn_account_of(
        &self,
        connection: &mut Connection,
        connector: &Connector,
    ) -> Result<(), Error> {
        let connections = &self.shared.ports.connections;
        let present = connections
            .get(&connection.workspace, &connection.id)
            .await?;
        if let Some((_, Some(credential))) = present
            && self.works(connection)
        {
            self.learn_account(connection, connector, &credential.access_token)
                .await;
        }
        Ok(())
    }

    /// Whether a staged grant was renewed since it was imported, and works.
    fn is_proven(&self, staged: &Connection) -> bool {
        staged.generation != tokend_model::Generation::FIRST && self.works(staged)
    }
}
