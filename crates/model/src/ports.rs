//! The seams between the use cases and the outside: one small trait each, filled by the composition root.
//!
//! Every method that names rows takes their workspace, and no method returns rows of another.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    Account, Authorization, AuthorizationId, AuthorizationState, Completion, Connection,
    ConnectionConfig, ConnectionFilter, ConnectionId, ConnectionStatus, ConnectionUse, Connector,
    ConnectorChange, ConnectorId, Credential, Generation, IntegrationType, IntegrationTypeName,
    InvalidConnectionConfig, Label, Owner, PendingCode, RefreshHealth, Secret, TicketUse,
    Timestamp, TokenAnswer, TokenFailure, WorkspaceName,
};

/// Tells the time; the real one lives at the edge.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Timestamp;
}

/// What storage may answer instead of a result. The driver's words stay in the source, for the log.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The database cannot be reached or is too busy; asking again later helps.
    #[error("the database is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something with that identity is there already.
    #[error("it exists already")]
    Exists,
    /// The row changed since it was read, or is gone.
    #[error("it was changed by somebody else")]
    Changed,
    /// A row cannot be read: its sealed value does not open, or a value is not of its kind.
    #[error("{what} cannot be read: {why}")]
    Corrupt {
        /// The table and column.
        what: &'static str,
        /// The reason, without the value.
        why: String,
    },
}

/// A part of a listing that is ordered by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Only rows whose id comes after this one.
    pub after: Option<String>,
    /// At most this many rows.
    pub limit: u64,
}

/// Connectors at rest.
#[async_trait]
pub trait Connectors: Send + Sync {
    /// One connector.
    async fn get(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectorId,
    ) -> Result<Option<Connector>, StorageError>;

    /// The shared connector of an integration type.
    async fn get_shared(
        &self,
        workspace: &WorkspaceName,
        integration_type: &IntegrationTypeName,
    ) -> Result<Option<Connector>, StorageError>;

    /// Connectors by id.
    async fn list(
        &self,
        workspace: &WorkspaceName,
        page: &Page,
    ) -> Result<Vec<Connector>, StorageError>;

    /// Carries out all changes in one transaction. A `Create` of an id, or of a second shared connector of one
    /// type, is [`StorageError::Exists`]; an `Update` whose `version` is not the stored one, or a `Delete` of
    /// nothing, is [`StorageError::Changed`]. An update stores `version + 1`.
    async fn apply(
        &self,
        workspace: &WorkspaceName,
        changes: &[ConnectorChange],
    ) -> Result<(), StorageError>;
}

/// Integration types defined by this installation.
#[async_trait]
pub trait IntegrationOverrides: Send + Sync {
    /// The definitions of all workspaces: workspace, name and TOML text.
    async fn list(&self)
    -> Result<Vec<(WorkspaceName, IntegrationTypeName, String)>, StorageError>;

    /// Adds or replaces one.
    async fn put(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
        definition: &str,
        now: Timestamp,
    ) -> Result<(), StorageError>;
}

/// A connection to be made, or made anew, from a redeemed code.
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
    /// The scopes granted.
    pub scopes: Vec<String>,
    /// Whether the old refresh token may stay if the answer has none: only where the account is the same.
    pub keep_refresh_token: bool,
    /// The attempt that ends with it, if one does.
    pub authorization: Option<AuthorizationId>,
}

/// Connections and their credentials at rest.
#[async_trait]
pub trait Connections: Send + Sync {
    /// An owner's connection with its present credential. The credential is absent when it was revoked.
    async fn find(
        &self,
        workspace: &WorkspaceName,
        connector_id: &ConnectorId,
        owner: &Owner,
        label: &Label,
    ) -> Result<Option<(Connection, Option<Credential>)>, StorageError>;

    /// One connection with its present credential.
    async fn get(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Option<(Connection, Option<Credential>)>, StorageError>;

    /// Connections by id, without credentials.
    async fn list(
        &self,
        workspace: &WorkspaceName,
        filter: &ConnectionFilter,
        page: &Page,
    ) -> Result<Vec<Connection>, StorageError>;

    /// Stores a redeemed code's outcome in one transaction: the connection (its id is kept if it is there
    /// already), the credential as its next generation, and the end of the authorization. Open refresh claims
    /// are closed, so that a late refresh cannot overwrite it.
    async fn connect(
        &self,
        new: &NewConnection,
        now: Timestamp,
    ) -> Result<Connection, StorageError>;

    /// Removes the connection and everything sealed for it; answers its last credential, to revoke it.
    /// `None` if there is no such connection.
    async fn delete(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Option<(Connection, Option<Credential>)>, StorageError>;

    /// Keeps the connection as `REVOKED` for the record and removes everything sealed for it; answers its last
    /// credential, to revoke it.
    async fn revoke(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        reason: &str,
    ) -> Result<Option<(Connection, Option<Credential>)>, StorageError>;

    /// Notes whose account a connection is, once the provider told.
    async fn set_account(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        account: &Account,
    ) -> Result<(), StorageError>;

    /// Adds gathered uses to the counts, in one batch. Never touches the rows that refreshing writes.
    async fn record_uses(&self, uses: &[ConnectionUse]) -> Result<(), StorageError>;

    /// Whether the database answers, for readiness.
    async fn ping(&self) -> Result<(), StorageError>;
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

    /// Stores the credential as generation `base + 1` and closes the claim, if both the generation and the epoch
    /// are still the claim's (`true`); else changes nothing (`false`).
    async fn commit(&self, claim: &Claim, credential: &Credential) -> Result<bool, StorageError>;

    /// Closes the claim and records why it brought nothing; without effect if the epoch has moved on.
    async fn fail(&self, claim: &Claim, failure: &RefreshFailure) -> Result<(), StorageError>;
}

/// An authorization whose `state` came back, with what the callback has to compare.
#[derive(Debug, Clone)]
pub struct ReturnedState {
    /// The attempt; its `state` can never be used again.
    pub authorization: Authorization,
    /// SHA-256 of the cookie of the browser that opened the ticket.
    pub browser_hash: Vec<u8>,
}

/// Attempts to connect at rest.
#[async_trait]
pub trait Authorizations: Send + Sync {
    /// Stores a new attempt under the hash of its ticket, and of the completion token if its starter holds one.
    async fn insert(
        &self,
        authorization: &Authorization,
        ticket_hash: &[u8],
        completion_hash: Option<&[u8]>,
    ) -> Result<(), StorageError>;

    /// One attempt.
    async fn get(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
    ) -> Result<Option<Authorization>, StorageError>;

    /// The attempt a ticket belongs to.
    async fn find_by_ticket(
        &self,
        ticket_hash: &[u8],
    ) -> Result<Option<Authorization>, StorageError>;

    /// Notes that a browser is sent to the provider; `false` if the attempt is past that step.
    async fn begin_consent(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
        ticket_use: &TicketUse,
    ) -> Result<bool, StorageError>;

    /// Finds the attempt by the `state` that came back and uses the state up, atomically.
    async fn take_state(&self, state_hash: &[u8]) -> Result<Option<ReturnedState>, StorageError>;

    /// Keeps the code for the starter to complete; `None` if the attempt was not awaiting consent. Answers whether
    /// the starter holds a completion token since the start: then that one counts, and `pending`'s is not stored.
    async fn store_code(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
        pending: &PendingCode,
    ) -> Result<Option<bool>, StorageError>;

    /// Hands out what redeeming needs, once: the attempt must await completion and the hash must match.
    async fn begin_completion(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
        completion_hash: &[u8],
    ) -> Result<Option<Completion>, StorageError>;

    /// Moves an attempt that is not final to another state, with the reason; final states also erase what is
    /// sealed. Back from `Completing` to `AwaitingCompletion` nothing is erased.
    async fn advance(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
        state: AuthorizationState,
        reason: &str,
    ) -> Result<(), StorageError>;

    /// The newest attempt of an owner that can still go on at `now`.
    async fn find_open(
        &self,
        workspace: &WorkspaceName,
        connector_id: &ConnectorId,
        owner: &Owner,
        label: &Label,
        now: Timestamp,
    ) -> Result<Option<Authorization>, StorageError>;
}

/// A caller's API key at rest; the key itself is never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// The public half, by which it is looked up.
    pub key_id: String,
    /// SHA-256 of the secret half (256 random bits, so no slow hash is needed).
    pub secret_hash: Vec<u8>,
    /// The workspace its caller may ask about.
    pub workspace: WorkspaceName,
    /// The caller's name.
    pub caller: String,
    /// What the caller may do.
    pub role: CallerRole,
    /// When it was made.
    pub create_time: Timestamp,
    /// When it stops working; never if absent.
    pub expire_time: Option<Timestamp>,
}

/// What a caller may do until there is a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallerRole {
    /// A backend service: all of `ConnectorService`.
    Backend,
    /// An operator or control plane: `AdminService` as well.
    Operator,
}

/// Callers' API keys at rest.
#[async_trait]
pub trait ApiKeys: Send + Sync {
    /// All keys of all workspaces: they are few, and are kept in memory to check calls without a statement.
    async fn list(&self) -> Result<Vec<ApiKeyRecord>, StorageError>;

    /// Adds one.
    async fn insert(&self, key: &ApiKeyRecord) -> Result<(), StorageError>;
}

/// The catalogue, as the use cases see it.
pub trait Catalogue: Send + Sync {
    /// One integration type: the workspace's own definition before the one that came with tokend.
    fn get(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
    ) -> Option<Arc<IntegrationType>>;

    /// The known name nearest to one that is not known, to suggest it.
    fn nearest(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
    ) -> Option<IntegrationTypeName>;

    /// All of them by name, unlisted ones included.
    fn list(&self, workspace: &WorkspaceName) -> Vec<Arc<IntegrationType>>;

    /// Checks connector-level values: only known keys, each matching its pattern; returns them as they will be kept.
    fn check_connector_config(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
        given: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig>;

    /// Checks the values given when connecting, over those of the connector, and fills in the defaults: all
    /// required ones present, none that only an operator may set. Returns connector's and given values together.
    fn check_connection_config(
        &self,
        connector: &Connector,
        given: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig>;

    /// Reads a definition (TOML) without taking it; the error says where and what is allowed.
    fn check_definition(
        &self,
        name: &IntegrationTypeName,
        definition: &str,
    ) -> Result<(), InvalidDefinition>;

    /// Takes a definition that was stored into the workspace's catalogue.
    fn define(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
        definition: &str,
    ) -> Result<(), InvalidDefinition>;
}

/// An integration type's definition that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDefinition(
    /// Line, key and what is allowed.
    pub String,
);

/// Where to send the browser, and what must be remembered until it comes back.
#[derive(Debug, Clone)]
pub struct AuthorizeUrl {
    /// The provider's URL with all parameters.
    pub url: String,
    /// The `state` in it: 256 random bits, made here (RFC 6749 section 10.12).
    pub state: Secret,
    /// The PKCE verifier whose S256 challenge is in it (RFC 7636).
    pub pkce_verifier: Secret,
}

/// A connector with the values its URLs are made of.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    /// Whose credentials to use.
    pub connector: &'a Connector,
    /// The connection's values, connector-level ones included.
    pub connection_config: &'a ConnectionConfig,
}

/// The catalogue entry and the connection's values do not give a usable URL or request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRegistration(
    /// What is missing or not allowed, without secrets.
    pub String,
);

/// Speaks OAuth 2.0 to providers. Calls once: no redirect, no retry, bounded in time and size.
#[async_trait]
pub trait AuthorizationServer: Send + Sync {
    /// Makes an authorization request (RFC 6749 section 4.1.1) with a fresh state and PKCE challenge.
    fn authorize_url(
        &self,
        registration: Registration<'_>,
        scopes: &[String],
        redirect_uri: &str,
    ) -> Result<AuthorizeUrl, InvalidRegistration>;

    /// Redeems an authorization code (RFC 6749 section 4.1.3).
    async fn redeem_code(
        &self,
        registration: Registration<'_>,
        code: &Secret,
        pkce_verifier: &Secret,
        redirect_uri: &str,
    ) -> Result<TokenAnswer, TokenFailure>;

    /// Redeems a refresh token (RFC 6749 section 6), repeating the granted scopes where the type asks for it.
    async fn refresh(
        &self,
        registration: Registration<'_>,
        refresh_token: &Secret,
        scopes: &[String],
    ) -> Result<TokenAnswer, TokenFailure>;

    /// Ends the grant at the provider (RFC 7009, or the type's own way); `false` where the provider has no way.
    async fn revoke(
        &self,
        registration: Registration<'_>,
        credential: &Credential,
    ) -> Result<bool, TokenFailure>;

    /// Asks whose account the token is for; empty where the type has no such call.
    async fn identify(
        &self,
        registration: Registration<'_>,
        access_token: &Secret,
    ) -> Result<Account, TokenFailure>;
}
