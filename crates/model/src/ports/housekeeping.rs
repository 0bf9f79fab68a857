//! What operators clear away, and what they change by hand.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;

use super::StorageError;
use crate::{
    Authorization, Connection, ConnectionId, Owner, Timestamp, TokenAnswer, WorkspaceName,
};

/// What operators clear away, and what they change by hand.
#[async_trait]
pub trait Housekeeping: Send + Sync {
    /// Gives a connection these tags in place of those it has. `None`: there is no such connection.
    async fn set_tags(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        tags: &BTreeMap<String, String>,
    ) -> Result<Option<Connection>, StorageError>;

    /// An owner's attempts to connect that are kept, oldest first.
    async fn authorizations_of(
        &self,
        workspace: &WorkspaceName,
        owner: &Owner,
    ) -> Result<Vec<Authorization>, StorageError>;

    /// Removes an owner's attempts to connect, under way or over; answers each with the tokens it held, whose grants
    /// are nobody's from then on.
    async fn erase_authorizations(
        &self,
        workspace: &WorkspaceName,
        owner: &Owner,
    ) -> Result<Vec<(Authorization, Option<TokenAnswer>)>, StorageError>;

    /// Removes connections that ended at least `dead_for` ago on the database's clock and were not used since, at most
    /// `limit` of them, and answers them; with `dry_run` it only answers them. One with an answer that came too late,
    /// or with an attempt under way, stays.
    async fn reap_connections(
        &self,
        workspace: &WorkspaceName,
        dead_for: Duration,
        limit: u64,
        dry_run: bool,
    ) -> Result<Vec<Connection>, StorageError>;

    /// Removes attempts to connect whose time ran out before `now` without a connection, at most `limit`, and answers
    /// how many; with `dry_run` it only counts them. One that still holds tokens stays until these are revoked.
    async fn reap_authorizations(
        &self,
        workspace: &WorkspaceName,
        now: Timestamp,
        limit: u64,
        dry_run: bool,
    ) -> Result<u64, StorageError>;
}
