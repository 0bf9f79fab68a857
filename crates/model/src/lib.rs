//! The words and rules of tokend: ids, connectors, connections, credentials, refresh timing and the ports
//! that the outer crates fill. No I/O, no clock: time is an argument.

#![warn(missing_docs)]

mod audit;
mod authorization;
mod connection;
mod connector;
mod credential;
mod id;
mod integration_type;
pub mod ports;
mod raw_token_answer;
mod refresh_facts;
mod refresh_policy;
mod renewal_time;
mod secret;
mod token_answer;

pub use audit::{AuditAction, AuditActor, AuditEvent, AuditOutcome, AuditSubject};
pub use authorization::{
    Authorization, AuthorizationState, Completion, PendingCode, PendingDevice, PendingGrant,
    TicketUse,
};
pub use connection::{
    Account, Connection, ConnectionFilter, ConnectionStatus, ConnectionUse, Owner, RefreshHealth,
};
pub use connector::{AccountChange, Connector, ConnectorChange, ConnectorKind};
pub use credential::{Credential, CredentialSource, Expiry, Generation};
pub use id::{
    AppUserId, AuthorizationId, BulkRevocationId, ConnectionId, ConnectorId, IntegrationTypeName,
    InvalidId, Label, WorkspaceName,
};
pub use integration_type::{
    ApiFacts, Capabilities, ConnectionConfig, ConnectionConfigField, GrantType, IntegrationType,
    InvalidConnectionConfig, ScopeSets, StaticCredentialField, TokenKind,
};
pub use raw_token_answer::RawTokenAnswer;
pub use refresh_facts::{Presentation, RefreshFacts, Rotation, SILENCE, TakeoverRule};
pub use refresh_policy::{Freshness, RefreshPolicy};
pub use renewal_time::Renewable;
pub use secret::Secret;
pub use token_answer::{TokenAnswer, TokenFailure, TokenFailureKind};

/// Points in time are UTC throughout.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
