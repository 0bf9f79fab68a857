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
mod grpc;
mod maintenance;
mod operations;
mod peer;
mod service;
mod start;
mod status;
mod telemetry;
mod upkeep;
mod wire_up;

pub use maintenance::{
    AddedCaller, AdoptedDatabase, NewCaller, add_caller, adopt_database, generate_key_file,
    integration_type_names, migrate,
};
pub use start::{Server, StartError};
pub use telemetry::begin_logging;
pub use wire_up::Callers;
