//! Who is calling, for which app user, and may they: API keys, app users' JWTs, and one rule for all calls.

#![warn(missing_docs)]

mod action;
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
mod policy;
mod quotas;
mod suspensions;

pub use action::{ACTIONS, Action, UnknownAction};
pub use api_key::{ApiKey, RandomnessUnavailable};
pub use api_key_authenticator::ApiKeyAuthenticator;
pub use app_user_verifier::{AppUser, AppUserVerifier};
pub use caller::{Caller, CallerKind, OtherWorkspaces};
pub use caller_authentication::{CallerAuthentication, LoopbackCaller, NotLoopback, Presented};
pub use error::{AccessError, CallerRejection, Suspended, TokenRejection};
pub use issuer::{DEFAULT_ALGORITHMS, InvalidIssuer, IssuerOptions};
pub use key_set_source::KeySetOptions;
pub use policy::{AccessRequest, DecidingPolicy, Decision, Effect, Policy, Resource};
pub use quotas::{QuotaOptions, Quotas};
pub use suspensions::Suspensions;
