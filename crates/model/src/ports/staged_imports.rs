//! Grants from elsewhere that have yet to prove good.

use async_trait::async_trait;

use super::{Imported, NewConnection, StorageError};
use crate::{Connection, ConnectionId, Timestamp, WorkspaceName};

/// Grants from elsewhere that have yet to prove good: each is a connection of its own meanwhile, so that what a
/// renewal brings is claimed, journaled and kept as any other's.
#[async_trait]
pub trait StagedImports: Send + Sync {
    /// Stores the grant beside the owner's connection, unless that one has it already
    /// (see [`Connections::import`](super::Connections::import)), or an earlier call staged it: then that one is held.
    async fn stage(&self, new: &NewConnection, now: Timestamp) -> Result<Imported, StorageError>;

    /// Puts a staged grant, as it is after its renewal, in place of what the owner's connection has, whose id stays;
    /// where there is none it becomes the connection. `new` tells everything but the tokens and scopes. `None`: it is
    /// no longer there. [`StorageError::Changed`]: somebody is renewing it.
    async fn promote(
        &self,
        staged: &ConnectionId,
        new: &NewConnection,
        now: Timestamp,
    ) -> Result<Option<Connection>, StorageError>;

    /// Removes a staged grant that proved bad, unless an attempt may have redeemed it, or may yet: then it stays for
    /// its successor's sake.
    async fn discard(
        &self,
        workspace: &WorkspaceName,
        staged: &ConnectionId,
    ) -> Result<(), StorageError>;
}
