//! The server: configuration, wiring, gRPC services, pages for browsers, probes, and an orderly end.

#![warn(missing_docs)]

mod admission;
mod browser;
mod clock;
pub mod config;
mod deadline;
mod grpc;
mod maintenance;
mod operations;
mod service;
mod start;
mod status;
mod telemetry;
mod upkeep;
mod wire_up;

pub use maintenance::{AddedCaller, NewCaller, add_caller, generate_key_file, migrate};
pub use start::{Server, StartError};
pub use telemetry::begin_logging;
pub use wire_up::Callers;
