//! Connecting accounts, as app users and as those who would misuse it; and that no secret is seen anywhere.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod answers;
mod app_users;
mod callbacks;
mod calls;
mod connection_config;
mod expiry;
mod leaks;
mod listing;
mod misuse;
mod pages;
mod provider_down;
mod return_urls;
mod scopes;
mod user_tokens;
mod visitor;
