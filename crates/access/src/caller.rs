//! The backend service that calls.

use tokend_model::{WorkspaceName, ports::CallerRole};

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its name, for logs, limits and the audit trail.
    pub name: String,
    /// The only workspace it may ask about.
    pub workspace: WorkspaceName,
    /// What it may do there.
    pub role: CallerRole,
    /// How it proved itself.
    pub kind: CallerKind,
}

/// How a caller proved itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerKind {
    /// By an API key.
    ApiKey {
        /// The key's public half.
        key_id: String,
    },
    /// Not at all: it is on this machine, and the server is a demonstration.
    Loopback,
}

impl Caller {
    /// Whether it may ask about this workspace at all.
    pub fn may_use(&self, workspace: &WorkspaceName) -> bool {
        self.workspace == *workspace
    }
}
