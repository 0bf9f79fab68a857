//! The client of tokend: ask for a connection, get an OAuth access token that works now.
//!
//! ```no_run
//! # async fn example() -> Result<(), tokend_client::Error> {
//! use tokend_client::{Client, Credentials};
//!
//! let tokend = Client::builder("http://127.0.0.1:50051")
//!     .credentials(Credentials::api_key(std::env::var("TOKEND_API_KEY").unwrap_or_default()))
//!     .connect()
//!     .await?;
//! let calendar = tokend.get_connection("googlecalendar").await?;
//! let authorization = format!("Bearer {}", calendar.access_token.expose());
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod builder;
mod call;
mod client;
mod connection;
mod credentials;
mod error;
mod get;
mod interceptor;

pub use builder::ClientBuilder;
pub use client::Client;
pub use connection::{AccessToken, Connection};
pub use credentials::Credentials;
pub use error::Error;
pub use get::{GetConnection, GetOptions};
pub use interceptor::{Authenticated, CallMetadata};
/// The generated messages and stubs, for what this crate does not wrap.
pub use tokend_api::v1;
pub use tonic::Code;
pub use v1::ErrorReason;
