//! What a caller sees, over a real socket, on both databases.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod answers;
mod applying;
mod batch;
mod callers;
mod concurrency;
mod connectors;
mod database_away;
mod disconnecting;
mod get_connection;
mod health;
mod integration_types;
mod min_ttl;
mod provider_faults;
mod reauthorization;
mod refresh;
mod rejected_generation;
mod starting;
mod tls;
mod unbuilt;
mod uses;
