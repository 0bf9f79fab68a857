//! How much a caller and a workspace may ask for: each replica counts for itself.

use tokend_model::WorkspaceName;

use crate::{AccessError, Caller};

/// The limits; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaOptions {
    /// Tokens a second, and at once, to one caller.
    pub caller_vends_per_second: u32,
    /// Tokens a second, and at once, in one workspace.
    pub workspace_vends_per_second: u32,
    /// Different connections in a minute, to one caller.
    pub caller_connections_per_minute: u32,
    /// Different connections in a minute, in one workspace.
    pub workspace_connections_per_minute: u32,
}

/// Counts what is asked for.
pub struct Quotas {}

impl Quotas {
    /// Nothing is counted yet.
    pub fn new(_options: QuotaOptions) -> Self {
        Self {}
    }

    /// Counts a call that asks for a token, or answers [`AccessError::QuotaExceeded`].
    pub fn take_vend(
        &self,
        _caller: &Caller,
        _workspace: &WorkspaceName,
    ) -> Result<(), AccessError> {
        Ok(())
    }

    /// Counts the connection that a token is of, or answers [`AccessError::QuotaExceeded`]. `connection` tells it from
    /// all others of the workspace.
    pub fn take_connection(
        &self,
        _caller: &Caller,
        _workspace: &WorkspaceName,
        _connection: u64,
    ) -> Result<(), AccessError> {
        Ok(())
    }
}
