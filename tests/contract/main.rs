//! What a caller sees, over a real socket, on both databases.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod acts_on_record;
mod answers;
mod applying;
mod audit;
mod batch;
mod bulk_revocation;
mod callers;
mod client_secrets;
mod concurrency;
mod connectors;
mod database_away;
mod describe;
mod disconnecting;
mod flood_ratio;
mod flooding;
mod frames;
mod get_connection;
mod health;
mod import;
mod integration_types;
mod jwt_callers;
mod many;
mod min_ttl;
mod narrowing;
mod policy;
mod promises_cancel;
mod promises_deployment;
mod promises_disconnect;
mod promises_provider;
mod promises_scheduler;
mod provider_faults;
mod quotas;
mod reaping;
mod reauthorization;
mod refresh;
mod rejected_generation;
mod spiffe;
mod starting;
mod statistics;
mod suspensions;
mod tags;
mod tls;
mod token_answers;
mod unbuilt;
mod user_data;
mod uses;
mod verified_import;
