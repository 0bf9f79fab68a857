//! The server: configuration, wiring, gRPC services, pages for browsers, probes, and an orderly end.

#![warn(missing_docs)]

mod admission;
mod audit;
mod browser;
mod chance;
mod clock;
pub mod config;
mod deadline;
mod deployment;
mod failure;
#[doc(hidden)]
pub mod fuzzing;
mod grpc;
mod hygiene;
mod maintenance;
mod operations;
mod peer;
mod service;
mod start;
mod status;
mod telemetry;
mod upkeep;
mod wire;
mod wire_up;

pub use audit::{
    AuditFinding, AuditVerification, LinesError, OfflineAct, record_offline, verify_audit_database,
    verify_audit_files,
};
pub use hygiene::{NotHardened, keep_secrets_in};
pub use maintenance::{
    AddedCaller, AdoptedDatabase, CallerError, CallerKey, KeyStatus, NewCaller, RotatedCaller,
    Rotation, WhichKeys, add_caller, adopt_database, generate_key_file, integration_type_names,
    list_callers, migrate, remove_caller, rotate_caller,
};
pub use start::{Server, StartError};
pub use telemetry::begin_logging;
pub use tokend_access::{InvalidPolicies, NamedType, POLICY_SCHEMA, Policy, PolicySummary};
pub use wire::TlsError;
pub use wire_up::Callers;
