//! Attempts to connect at rest.

use async_trait::async_trait;

use super::StorageError;
use crate::{
    Authorization, AuthorizationId, AuthorizationState, Completion, ConnectorId, Label, Owner,
    PendingCode, TicketUse, Timestamp, WorkspaceName,
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

    /// Ends all attempts of all workspaces whose time ran out before `deadline`, as `Failed` with `reason`, erasing
    /// what is sealed for them; answers how many. Attempts whose time ran out more than 24 h before `deadline` are
    /// removed, whatever their state, so that they do not pile up; these are not counted again.
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
