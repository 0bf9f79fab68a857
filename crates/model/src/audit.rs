//! What the audit trail says: who did what to which connection, and how it ended. No secret is part of it.

use std::collections::BTreeMap;

use crate::{Generation, Timestamp, WorkspaceName};

/// One thing that was done, refused or tried.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AuditEvent {
    /// Its own name (UUIDv7): an event that two sinks have taken is the same one.
    pub id: String,
    /// When.
    pub time: Timestamp,
    /// Where.
    pub workspace: WorkspaceName,
    /// What.
    pub action: AuditAction,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// Why it did not succeed, as the error's reason; empty if it did.
    pub reason: String,
    /// Who did it.
    pub actor: AuditActor,
    /// What it was done to.
    pub subject: AuditSubject,
    /// The scopes asked for or vended.
    pub scopes: Vec<String>,
    /// The policies that decided.
    pub policy_ids: Vec<String>,
    /// Keyed fingerprint of the token handed out, in hexadecimal; empty if none was.
    pub token_fingerprint: String,
    /// Further facts by name.
    pub details: BTreeMap<String, String>,
}

/// Who did something, and from where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AuditActor {
    /// The caller's name; `system` for the server itself.
    pub caller: String,
    /// How the caller proved itself; empty if it could not.
    pub caller_kind: String,
    /// The public part of what it presented, such as an API key's id; empty if there is none.
    pub credential_id: String,
    /// The app user it acted for; empty if for none.
    pub app_user_id: String,
    /// Who vouched for the app user.
    pub app_user_issuer: String,
    /// Where the call came from; empty if it was no call.
    pub peer_address: String,
    /// The trace it belonged to (W3C Trace Context), in hexadecimal; empty if to none.
    pub trace_id: String,
}

/// What something was done to; what does not apply is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AuditSubject {
    /// The integration type.
    pub integration_type: String,
    /// The connector.
    pub connector_id: String,
    /// The connection.
    pub connection_id: String,
    /// The generation vended or made.
    pub generation: Option<Generation>,
    /// The authorization.
    pub authorization_id: String,
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AuditOutcome {
    /// It was done.
    Succeeded,
    /// It was not allowed.
    Denied,
    /// It was allowed and failed.
    Failed,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AuditAction {
    /// A token was asked for.
    Vend,
    /// A token was renewed.
    Refresh,
    /// Connecting an account was started.
    AuthorizationStart,
    /// Connecting an account was completed.
    AuthorizationComplete,
    /// A connection was revoked.
    ConnectionRevoke,
    /// A connection was deleted or disconnected.
    ConnectionDelete,
    /// A connection was imported.
    ConnectionImport,
    /// A connection's tags were changed, or dead connections were removed.
    ConnectionUpdate,
    /// A static credential was set.
    StaticCredentialSet,
    /// A connector was created.
    ConnectorCreate,
    /// A connector was changed.
    ConnectorUpdate,
    /// A connector was deleted.
    ConnectorDelete,
    /// An app user's data were exported.
    UserDataExport,
    /// An app user's data were erased.
    UserErase,
    /// Stored secrets were sealed anew with the newest key.
    KeysRotate,
    /// Connectors or connections were read or listed.
    MetadataRead,
    /// A caller or an app user could not be authenticated.
    Authentication,
    /// Something was stopped, or set going again.
    Suspension,
    /// Revoking many connections was begun, stopped or finished.
    BulkRevocation,
    /// A caller's key was made, changed or taken away.
    CallerChange,
    /// The policy in force changed.
    PolicyChange,
    /// The audit trail was read.
    AuditRead,
    /// Access was explained.
    AccessExplain,
    /// The audit trail itself was begun, continued, mended or shortened.
    AuditTrail,
    /// A copied or restored database was made a deployment's own.
    DatabaseAdopt,
}

impl AuditAction {
    /// All of them.
    const ALL: [Self; 25] = [
        Self::Vend,
        Self::Refresh,
        Self::AuthorizationStart,
        Self::AuthorizationComplete,
        Self::ConnectionRevoke,
        Self::ConnectionDelete,
        Self::ConnectionImport,
        Self::ConnectionUpdate,
        Self::StaticCredentialSet,
        Self::ConnectorCreate,
        Self::ConnectorUpdate,
        Self::ConnectorDelete,
        Self::UserDataExport,
        Self::UserErase,
        Self::KeysRotate,
        Self::MetadataRead,
        Self::Authentication,
        Self::Suspension,
        Self::BulkRevocation,
        Self::CallerChange,
        Self::PolicyChange,
        Self::AuditRead,
        Self::AccessExplain,
        Self::AuditTrail,
        Self::DatabaseAdopt,
    ];

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// Its name, as the contract has it after `AUDIT_ACTION_`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vend => "VEND",
            Self::Refresh => "REFRESH",
            Self::AuthorizationStart => "AUTHORIZATION_START",
            Self::AuthorizationComplete => "AUTHORIZATION_COMPLETE",
            Self::ConnectionRevoke => "CONNECTION_REVOKE",
            Self::ConnectionDelete => "CONNECTION_DELETE",
            Self::ConnectionImport => "CONNECTION_IMPORT",
            Self::ConnectionUpdate => "CONNECTION_UPDATE",
            Self::StaticCredentialSet => "STATIC_CREDENTIAL_SET",
            Self::ConnectorCreate => "CONNECTOR_CREATE",
            Self::ConnectorUpdate => "CONNECTOR_UPDATE",
            Self::ConnectorDelete => "CONNECTOR_DELETE",
            Self::UserDataExport => "USER_DATA_EXPORT",
            Self::UserErase => "USER_ERASE",
            Self::KeysRotate => "KEYS_ROTATE",
            Self::MetadataRead => "METADATA_READ",
            Self::Authentication => "AUTHENTICATION",
            Self::Suspension => "SUSPENSION",
            Self::BulkRevocation => "BULK_REVOCATION",
            Self::CallerChange => "CALLER_CHANGE",
            Self::PolicyChange => "POLICY_CHANGE",
            Self::AuditRead => "AUDIT_READ",
            Self::AccessExplain => "ACCESS_EXPLAIN",
            Self::AuditTrail => "AUDIT_TRAIL",
            Self::DatabaseAdopt => "DATABASE_ADOPT",
        }
    }
}

impl AuditOutcome {
    /// Its name, as the contract has it after `AUDIT_OUTCOME_`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Denied => "DENIED",
            Self::Failed => "FAILED",
        }
    }
}
