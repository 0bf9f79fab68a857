//! What a call is about to do, as policies name it.

use std::{fmt, str::FromStr};

/// What a call is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Hand out the token of a shared connection.
    Vend,
    /// Hand out the token of an app user's connection.
    VendForUser,
    /// Start or complete an app user's authorization.
    Connect,
    /// Remove an app user's connection.
    Disconnect,
    /// Read what can be connected, and what an app user has connected.
    ReadMetadata,
    /// Read connectors, connections and figures.
    ReadConfiguration,
    /// Create, change and delete connectors.
    ManageConnectors,
    /// Connect accounts as an operator: the shared ones, or for a named user; import and set credentials.
    ManageAuthorizations,
    /// Renew, tag, revoke and delete connections.
    ManageConnections,
    /// Export and erase an app user's data.
    ManageUsers,
    /// Stop callers, integration types and the workspace, and set them going again; revoke in bulk.
    Suspend,
    /// Read the audit trail.
    ReadAudit,
    /// Ask why others may do something, or may not.
    ExplainAccess,
    /// Seal stored secrets anew.
    RotateKeys,
}

/// All of them.
pub const ACTIONS: [Action; 14] = [
    Action::Vend,
    Action::VendForUser,
    Action::Connect,
    Action::Disconnect,
    Action::ReadMetadata,
    Action::ReadConfiguration,
    Action::ManageConnectors,
    Action::ManageAuthorizations,
    Action::ManageConnections,
    Action::ManageUsers,
    Action::Suspend,
    Action::ReadAudit,
    Action::ExplainAccess,
    Action::RotateKeys,
];

/// The text is no action's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no action {0:?}; known are {known}", known = ACTIONS.map(Action::name).join(", "))]
pub struct UnknownAction(
    /// The text.
    pub String,
);

impl Action {
    /// Its name in policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vend => "vend",
            Self::VendForUser => "vend-for-user",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::ReadMetadata => "read-metadata",
            Self::ReadConfiguration => "read-configuration",
            Self::ManageConnectors => "manage-connectors",
            Self::ManageAuthorizations => "manage-authorizations",
            Self::ManageConnections => "manage-connections",
            Self::ManageUsers => "manage-users",
            Self::Suspend => "suspend",
            Self::ReadAudit => "read-audit",
            Self::ExplainAccess => "explain-access",
            Self::RotateKeys => "rotate-keys",
        }
    }

    /// Whether only operators may do it where no policy is set.
    pub fn is_administrative(self) -> bool {
        self >= Self::ReadConfiguration
    }

    /// Whether it hands out a token.
    pub fn is_vend(self) -> bool {
        matches!(self, Self::Vend | Self::VendForUser)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        ACTIONS
            .into_iter()
            .find(|action| action.name() == text)
            .ok_or_else(|| UnknownAction(text.to_owned()))
    }
}
