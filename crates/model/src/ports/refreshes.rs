//! Refresh claims and their outcomes at rest.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use super::StorageError;
use crate::{
    ConnectionConfig, ConnectionId, ConnectionStatus, Credential, Generation, RefreshHealth,
    TakeoverRule, Timestamp, WorkspaceName,
};

/// A process that claims. An earlier incarnation of the same replica is dead: nobody waits for it to come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// What survives a restart: the identity of the journal that only one process can have open.
    pub replica: String,
    /// This process's life.
    pub incarnation: String,
}

/// A client as one token endpoint knows it: limits and refusals of a token endpoint are per client. Two workspaces are
/// never taken for the same, so that neither can get the other refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientRegistration {
    /// Whose connectors have it.
    pub workspace: WorkspaceName,
    /// The token endpoint's URL, as [`AuthorizationServer::token_endpoint`](super::AuthorizationServer) tells it.
    pub endpoint: String,
    /// `client_id` (RFC 6749 section 2.2).
    pub client_id: String,
}

/// What is to be claimed, and under which rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The connection's workspace.
    pub workspace: WorkspaceName,
    /// Whose refresh token.
    pub connection_id: ConnectionId,
    /// The generation whose refresh token will be redeemed.
    pub base: Generation,
    /// Who claims.
    pub holder: Holder,
    /// Until when the call must be over.
    pub time_to_live: Duration,
    /// When somebody else's open attempt may be taken over before its deadline.
    pub takeover: TakeoverRule,
    /// Whose token endpoint will be called.
    pub registration: ClientRegistration,
}

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
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it goes to pieces at once"
)]
pub enum ClaimOutcome {
    /// It is ours.
    Claimed(Claimed),
    /// Somebody else's, until it may be taken over in this long.
    Held(Duration),
    /// The connection has another generation by now, or is gone: read it again.
    Moved,
    /// The provider asked to be left alone by this client for this long.
    Paused(Duration),
    /// The database went back in time, or is another deployment's, since its pulse was last counted on from here.
    NotOurs,
}

/// A claim with what earlier attempts on the same generation left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The claim.
    pub claim: Claim,
    /// When the first attempt on this generation began that may have redeemed the refresh token: one that failed
    /// halfway, or one that was open and has just been taken over.
    pub uncertain_since: Option<Timestamp>,
    /// The newest answer to an earlier attempt on this generation that came too late to be committed.
    pub orphan: Option<Orphan>,
}

/// The answer of an attempt that lost its claim: perhaps the only refresh token that is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Its row.
    pub id: String,
    /// What was received; its generation is that of the attempt, base and one.
    pub credential: Credential,
    /// Whether it was tried already.
    pub tried: bool,
}

/// The next token set of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// What the provider answered, with what stays of the base generation.
    pub credential: Credential,
    /// The connection config from now on, where the answer told another one.
    pub connection_config: Option<ConnectionConfig>,
    /// When to renew again; `None`: nothing to renew with.
    pub renewal_time: Option<Timestamp>,
    /// Whether other replicas must forget the token before: it no longer works.
    pub supersedes_at_once: bool,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is the connection's present credential, now or since an earlier try.
    Committed,
    /// Somebody else was first, or is at it: it is kept as an orphan.
    Orphaned,
    /// The connection was revoked or is gone; nothing was stored, and the grant is to be revoked.
    Gone,
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
    /// When to try again although nobody asks; `None`: only a person can help.
    pub renewal_time: Option<Timestamp>,
    /// The provider wants to be left alone by this client until then.
    pub pause: Option<(ClientRegistration, Timestamp)>,
}

/// Refresh claims and their outcomes at rest.
#[async_trait]
pub trait Refreshes: Send + Sync {
    /// Claims the connection's refresh token if its generation is still `base`, no live claim is there and the
    /// provider may be called. An open attempt is taken over with a higher epoch once its deadline has passed, its
    /// holder is known to be dead, or the takeover rule allows it; the connection is uncertain from then on. An attempt
    /// that comes to nothing is due again as soon as it may be taken over.
    async fn claim(&self, request: &ClaimRequest) -> Result<ClaimOutcome, StorageError>;

    /// Says that the holder lives; `false` if the claim is no longer its own. With `time_to_live` the deadline is
    /// moved to that long from now, for a second call.
    async fn heartbeat(
        &self,
        claim: &Claim,
        time_to_live: Option<Duration>,
    ) -> Result<bool, StorageError>;

    /// Stores the credential as generation `base + 1` and closes the claim; repeating it tells the same again. An
    /// answer that comes after its deadline still counts where whoever took over brought nothing. Where it cannot be
    /// committed it is stored as an orphan, in the same transaction: it may hold the only living refresh token.
    async fn commit(&self, claim: &Claim, renewed: &Renewed)
    -> Result<CommitOutcome, StorageError>;

    /// Closes the claim and records why it brought nothing; without effect if the epoch has moved on.
    async fn fail(&self, claim: &Claim, failure: &RefreshFailure) -> Result<(), StorageError>;

    /// Orphans of the connection, newest first.
    async fn orphans(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Vec<Orphan>, StorageError>;

    /// Notes that an orphan is being tried, so that it is tried once.
    async fn mark_tried(&self, claim: &Claim, orphan: &str) -> Result<(), StorageError>;

    /// The credential of the generation right before this one: that before the present one is kept as a fallback.
    async fn previous_credential(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        before: Generation,
    ) -> Result<Option<Credential>, StorageError>;
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.replica, self.incarnation)
    }
}
