//! The backend service that calls.

use tokend_model::{Timestamp, WorkspaceName, ports::CallerRole};

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// Its name, for policies, limits and the audit trail: unlike that of any other, however it proved itself.
    pub name: String,
    /// The workspace it asks about unless it names another.
    pub workspace: WorkspaceName,
    /// What else it may ask about, if a policy lets it.
    pub other_workspaces: OtherWorkspaces,
    /// What it may do where no policy is set; a policy may look at it.
    pub role: Option<CallerRole>,
    /// How it proved itself.
    pub kind: CallerKind,
    /// When its proof runs out, where it is remembered for longer than one call.
    pub expire_time: Option<Timestamp>,
}

/// The workspaces beside its own that a caller may ask about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OtherWorkspaces {
    /// None.
    None,
    /// These.
    Named(Vec<WorkspaceName>),
    /// All.
    All,
}

/// How a caller proved itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CallerKind {
    /// By an API key.
    ApiKey {
        /// The key's public half.
        key_id: String,
    },
    /// By a JWT of an OpenID Connect issuer.
    Jwt {
        /// Who vouches.
        issuer: String,
    },
    /// By the projected token of a Kubernetes service account.
    Kubernetes {
        /// The cluster's issuer.
        issuer: String,
        /// The service account's namespace.
        namespace: String,
        /// The service account's name.
        service_account: String,
        /// The pod it was made for, if it says so.
        pod: Option<String>,
    },
    /// By an X.509-SVID.
    Spiffe {
        /// The trust domain, without scheme.
        trust_domain: String,
    },
    /// Not at all: it is on this machine, and the server is a demonstration.
    Loopback,
}

impl Caller {
    /// Whether it may ask about this workspace at all; a policy decides what it may do there.
    pub fn may_use(&self, workspace: &WorkspaceName) -> bool {
        self.workspace == *workspace
            || match &self.other_workspaces {
                OtherWorkspaces::None => false,
                OtherWorkspaces::Named(names) => names.contains(workspace),
                OtherWorkspaces::All => true,
            }
    }
}

impl CallerKind {
    /// Its name in policies and the audit trail.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ApiKey { .. } => "api-key",
            Self::Jwt { .. } => "jwt",
            Self::Kubernetes { .. } => "kubernetes",
            Self::Spiffe { .. } => "spiffe",
            Self::Loopback => "loopback",
        }
    }

    /// The public part of what was presented; empty where there is none.
    pub fn credential_id(&self) -> &str {
        match self {
            Self::ApiKey { key_id } => key_id,
            _ => "",
        }
    }
}
