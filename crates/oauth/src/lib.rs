//! Speaks OAuth 2.0 to providers as the catalogue describes them: every grant, the calls beside the token endpoint, and
//! the reading of their answers, through one HTTP client that follows nothing, reads little, waits no longer than told
//! and goes to public hosts only.

#![warn(missing_docs)]

mod accepted_secrets;
mod answer;
mod assertion;
mod body;
mod capture;
mod client;
mod client_auth;
mod code;
mod described_call;
mod device;
mod discovery;
mod egress;
mod failure;
#[doc(hidden)]
pub mod fuzzing;
mod grant;
mod http_client;
mod identity;
mod metadata;
mod obtain;
mod options;
mod outgoing;
mod private_key;
mod provider;
mod refresh;
mod revocation;
mod transport;

pub use client::OAuthClient;
pub use http_client::HttpClientUnavailable;
pub use options::OAuthOptions;
