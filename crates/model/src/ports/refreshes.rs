//! Refresh claims and their outcomes at rest.

use std::time::Duration;

use async_trait::async_trait;

use super::StorageError;
use crate::{ConnectionId, ConnectionStatus, Credential, Generation, RefreshHealth, WorkspaceName};

/// The right to redeem one refresh token, held by one task of one replica until a deadline on the database clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The connection's workspace.
    pub workspace: WorkspaceName,
    /// Whose refresh token.
    pub connection_id: ConnectionId,
    /// Fences this attempt from earlier and later ones of the same connection.
    pub epoch: i64,
    /// The generation whose refresh token will be redeemed.
    pub base: Generation,
}

/// How an attempt to claim ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// It is ours.
    Claimed(Claim),
    /// Somebody else's, until their deadline in this long.
    Held(Duration),
    /// The connection has another generation by now, or is gone: read it again.
    Moved,
}

/// What a failed refresh leaves on the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshFailure {
    /// The connection's status from now on.
    pub status: ConnectionStatus,
    /// The reason to show with it.
    pub status_reason: String,
    /// What the next attempt has to know.
    pub health: RefreshHealth,
}

/// Refresh claims and their outcomes at rest.
#[async_trait]
pub trait Refreshes: Send + Sync {
    /// Claims the connection's refresh token if its generation is still `base` and no live claim is there. A claim
    /// past its deadline is taken over with a higher epoch. `holder` names this process in the row.
    async fn claim(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        base: Generation,
        holder: &str,
        time_to_live: Duration,
    ) -> Result<ClaimOutcome, StorageError>;

    /// Stores the credential as generation `base + 1` and closes the claim (`true`); repeating it is `true` again.
    /// Changes nothing (`false`) if the generation moved, the connection is revoked or gone, or somebody else took
    /// the claim over and it is live.
    ///
    /// An answer that comes after its deadline still counts where whoever took over brought nothing: a provider
    /// that rotates refresh tokens refused them because this answer used the old one up (RFC 6749 section 6), so it
    /// may hold the only refresh token that is alive. A claim past its deadline is no longer live, closed or not:
    /// its holder may have died.
    async fn commit(&self, claim: &Claim, credential: &Credential) -> Result<bool, StorageError>;

    /// Closes the claim and records why it brought nothing; without effect if the epoch has moved on.
    async fn fail(&self, claim: &Claim, failure: &RefreshFailure) -> Result<(), StorageError>;
}
