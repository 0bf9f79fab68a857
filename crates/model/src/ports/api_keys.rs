//! Callers' API keys at rest.

use async_trait::async_trait;

use super::StorageError;
use crate::{Timestamp, WorkspaceName};

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
    /// When it was last accepted, to the minute; never if absent.
    pub last_used_time: Option<Timestamp>,
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

    /// Adds one in place of others, which end at `end` unless they end sooner: all of it or nothing.
    async fn replace(
        &self,
        key: &ApiKeyRecord,
        replaced: &[String],
        end: Timestamp,
    ) -> Result<(), StorageError>;

    /// Removes those with these ids; answers how many there were.
    async fn delete(&self, key_ids: &[String]) -> Result<u64, StorageError>;

    /// Notes when keys were last accepted. A time before the one noted, or a key that is gone, changes nothing.
    async fn note_uses(&self, uses: &[(String, Timestamp)]) -> Result<(), StorageError>;
}
