//! Who is calling, for which app user, and may they: API keys, app users' JWTs, and one rule for all calls.

#![warn(missing_docs)]

mod api_key;
mod api_key_authenticator;
mod app_user_verifier;
mod caller;
mod caller_authentication;
mod claims;
mod error;
mod issuer;
mod key_set;
mod key_set_source;
mod permission;

pub use api_key::{ApiKey, RandomnessUnavailable};
pub use api_key_authenticator::ApiKeyAuthenticator;
pub use app_user_verifier::{AppUser, AppUserVerifier};
pub use caller::{Caller, CallerKind};
pub use caller_authentication::{CallerAuthentication, LoopbackCaller, NotLoopback};
pub use error::{AccessError, CallerRejection, TokenRejection};
pub use issuer::{DEFAULT_ALGORITHMS, InvalidIssuer, IssuerOptions};
pub use key_set_source::KeySetOptions;
pub use permission::{Action, authorize};
