//! Speaks OAuth 2.0 to providers: authorization URLs with PKCE, token calls, revocation and the account's identity,
//! through one HTTP client that follows nothing, reads little, waits no longer than told and goes to public hosts only.

#![warn(missing_docs)]

mod account;
mod adapter;
mod answer;
mod body;
mod client;
mod egress;
mod failure;
mod options;
mod provider;
mod revocation;
mod transport;

pub use client::{HttpClientUnavailable, OAuthClient};
pub use options::OAuthOptions;
