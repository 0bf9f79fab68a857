//! The binary `tokend`, run as a person or a script runs it: what it prints, what it leaves behind, how it exits.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod auditing;
mod callers;
mod configuration;
mod connecting;
mod connector_files;
mod connector_folders;
mod connector_schema;
mod credentials;
mod demo;
mod generated_types;
mod help;
mod home;
mod hygiene;
mod importing;
mod keys;
mod kill_switches;
mod migrate;
mod operating;
mod policy;
mod serve;
mod unreachable;
