//! Connections and their credentials at rest.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Page, StorageError};
use crate::{
    Account, AuthorizationId, Connection, ConnectionConfig, ConnectionFilter, ConnectionId,
    ConnectionUse, ConnectorId, Credential, CredentialSource, Expiry, Generation,
    IntegrationTypeName, Label, Owner, Timestamp, TokenAnswer, WorkspaceName,
};

/// A connection to be made, or made anew, with a token set from outside.
#[derive(Debug, Clone)]
pub struct NewConnection {
    /// The id to use if the owner has no such connection under the connector yet.
    pub id: ConnectionId,
    /// The workspace it will live in.
    pub workspace: WorkspaceName,
    /// The connector it is made under.
    pub connector_id: ConnectorId,
    /// That connector's integration type.
    pub integration_type: IntegrationTypeName,
    /// Whose it is.
    pub owner: Owner,
    /// Its label.
    pub label: Label,
    /// The account, as far as the provider told.
    pub account: Account,
    /// Its connection config.
    pub connection_config: ConnectionConfig,
    /// What the provider answered.
    pub answer: TokenAnswer,
    /// Where that came from.
    pub source: CredentialSource,
    /// Its tags; `None` leaves those that are there.
    pub tags: Option<BTreeMap<String, String>>,
    /// The scopes granted.
    pub scopes: Vec<String>,
    /// Whether the old refresh token may stay if the answer has none: only where the account is the same.
    pub keep_refresh_token: bool,
    /// When to renew it although nobody asks.
    pub renewal_time: Option<Timestamp>,
    /// The attempt that ends with it, if one does.
    pub authorization: Option<AuthorizationId>,
    /// The tokens that came with it: from now on these are all it has. `None` leaves those that are there.
    pub siblings: Option<Vec<NewSibling>>,
}

/// A token that came with a new connection's own, and becomes a connection beside it.
#[derive(Debug, Clone)]
pub struct NewSibling {
    /// The id to use if there is none for that token yet.
    pub id: ConnectionId,
    /// Its name among the integration type's other tokens.
    pub token: String,
    /// What the provider answered.
    pub answer: TokenAnswer,
    /// The scopes granted.
    pub scopes: Vec<String>,
    /// When to renew it although nobody asks.
    pub renewal_time: Option<Timestamp>,
}

/// Connections that ended together, each with its last credential, to revoke it: the one that was named, and its
/// siblings. None, if there was no such one.
pub type Ended = Vec<(Connection, Option<Credential>)>;

/// What became of a grant that was brought from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// It is the connection's next generation.
    Stored(Connection),
    /// The owner's connection has this very refresh token, or got a newer one for it, and stays as it is.
    Held(Connection),
}

/// What is known of a kept credential without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptGeneration {
    /// Which of the connection's token sets it is.
    pub generation: Generation,
    /// How it came about; `None` for those stored before that was written down.
    pub source: Option<CredentialSource>,
    /// When it arrived here.
    pub receive_time: Timestamp,
    /// When its access token runs out.
    pub expiry: Expiry,
    /// When its refresh token runs out, where the provider said so.
    pub refresh_expire_time: Option<Timestamp>,
    /// Whether it has a refresh token.
    pub renewable: bool,
    /// The id of the key it is sealed with.
    pub key_id: String,
}

/// Connections and their credentials at rest.
#[async_trait]
pub trait Connections: Send + Sync {
    /// An owner's connection for one of its tokens (empty: the main one) with its present credential. The credential is
    /// absent when it was revoked.
    async fn find(
        &self,
        workspace: &WorkspaceName,
        connector_id: &ConnectorId,
        owner: &Owner,
        label: &Label,
        token: &str,
    ) -> Result<Option<(Connection, Option<Credential>)>, StorageError>;

    /// One connection with its present credential.
    async fn get(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Option<(Connection, Option<Credential>)>, StorageError>;

    /// The same as [`Connections::get`] without reading the credential, which may no longer open (a lost key): that
    /// must not keep anybody from disconnecting, revoking or reconnecting.
    async fn describe(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Option<Connection>, StorageError>;

    /// The same as [`Connections::find`] for the main token, without reading the credential, for the reason of
    /// [`Connections::describe`].
    async fn locate(
        &self,
        workspace: &WorkspaceName,
        connector_id: &ConnectorId,
        owner: &Owner,
        label: &Label,
    ) -> Result<Option<Connection>, StorageError>;

    /// The generations of a connection's credential that are kept, newest first. Nothing is opened, so that a lost key
    /// can be seen.
    async fn generations(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Vec<KeptGeneration>, StorageError>;

    /// Connections by id, without credentials.
    async fn list(
        &self,
        workspace: &WorkspaceName,
        filter: &ConnectionFilter,
        page: &Page,
    ) -> Result<Vec<Connection>, StorageError>;

    /// Stores a new token set in one transaction: the connection (its id is kept if it is there
    /// already), the credential as its next generation, the end of the authorization, and the siblings likewise. Open
    /// refresh claims are closed, so that a late refresh cannot overwrite it. A sibling whose token did not come again is
    /// kept as `REVOKED`, without its secrets.
    async fn connect(
        &self,
        new: &NewConnection,
        now: Timestamp,
    ) -> Result<Connection, StorageError>;

    /// The same as [`Connections::connect`] for a grant from elsewhere, unless the owner's connection has it already: a
    /// connection whose present refresh token is the given one keeps its generation, its open claim and its doubt, for
    /// that token may be on its way to the provider, or spent. So does one that works with what the given token was
    /// redeemed for, as far as the credential before the present one tells.
    async fn import(&self, new: &NewConnection, now: Timestamp) -> Result<Imported, StorageError>;

    /// Removes the connection and its siblings, and everything sealed for them, in one transaction.
    async fn delete(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Ended, StorageError>;

    /// Keeps the connection and its siblings as `REVOKED` for the record and removes everything sealed for them, in one
    /// transaction.
    async fn revoke(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        reason: &str,
    ) -> Result<Ended, StorageError>;

    /// Notes whose account a connection is, once the provider told.
    async fn set_account(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        account: &Account,
    ) -> Result<(), StorageError>;

    /// Adds gathered uses to the counts, in one batch. Never touches the rows that refreshing writes.
    async fn record_uses(&self, uses: &[ConnectionUse]) -> Result<(), StorageError>;

    /// The time on the database's clock, which all replicas share.
    async fn database_time(&self) -> Result<Timestamp, StorageError>;
}
