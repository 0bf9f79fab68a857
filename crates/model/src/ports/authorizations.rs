//! Attempts to connect at rest.

use async_trait::async_trait;

use super::StorageError;
use crate::{
    Authorization, AuthorizationId, AuthorizationState, Completion, ConnectorId, Label, Owner,
    PendingCode, PendingDevice, TicketUse, Timestamp, TokenAnswer, WorkspaceName,
};

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

    /// Stores a new attempt of a device: no browser opens it, and it awaits completion from the start.
    async fn insert_device(
        &self,
        authorization: &Authorization,
        completion_hash: &[u8],
        device: &PendingDevice,
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

    /// Hands out what completing needs, to one at a time: the attempt must await completion and the hash must match.
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

    /// Puts a device's attempt that is being completed back to awaiting completion, to be asked about later.
    async fn put_off(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
        device: &PendingDevice,
    ) -> Result<(), StorageError>;

    /// Puts an attempt that is being completed back to awaiting completion, with the tokens that its code brought in
    /// place of the code, and why they are no connection yet.
    async fn hold(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
        answer: &TokenAnswer,
        reason: &str,
    ) -> Result<(), StorageError>;

    /// Tokens held by attempts of all workspaces that cannot go on and whose time ran out before `deadline`: their
    /// grants are nobody's. At most `limit`; each is answered until its attempt is ended.
    async fn abandoned(
        &self,
        deadline: Timestamp,
        limit: u64,
    ) -> Result<Vec<(Authorization, TokenAnswer)>, StorageError>;

    /// Ends all attempts of all workspaces whose time ran out before `deadline`, as `Failed` with `reason`, erasing
    /// what is sealed for them; answers how many. Those that hold tokens are left for
    /// [`Authorizations::abandoned`]. Attempts whose time ran out more than 24 h before `deadline` are removed, whatever
    /// their state, so that they do not pile up; these are not counted again.
    async fn expire(&self, deadline: Timestamp, reason: &str) -> Result<u64, StorageError>;

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
