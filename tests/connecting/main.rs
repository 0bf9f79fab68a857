//! Connecting accounts, as app users and as those who would misuse it; and that no secret is seen anywhere.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod account_changes;
mod aliases;
mod answers;
mod app_users;
mod callbacks;
mod calls;
mod captures;
mod connection_config;
mod devices;
mod expiry;
mod leaks;
mod listing;
mod midway;
mod misuse;
mod own_types;
mod pages;
mod pages_on_record;
mod provider_down;
mod return_urls;
mod scopes;
mod static_credentials;
mod two_tokens;
mod unattended;
mod user_tokens;
mod visitor;
