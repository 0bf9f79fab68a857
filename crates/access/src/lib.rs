//! Who is calling, for which app user, and may they: API keys, app users' JWTs, and policies.

#![warn(missing_docs)]

mod action;
mod api_key;
mod api_key_authenticator;
mod app_user_audiences;
mod app_user_ids;
mod app_user_verifier;
mod caller;
mod caller_authentication;
mod caller_name_prefix;
mod caller_names;
mod claims;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod issuer;
mod issuer_http;
mod jws;
mod jwt_callers;
mod key_set;
mod key_set_source;
mod known_keys;
mod kubernetes;
mod policy;
mod quotas;
mod reloaded;
mod spiffe;
mod standing;
mod suspensions;
mod token_callers;
mod token_issuer;
mod token_review;
mod verified_tokens;

pub use action::{ACTIONS, Action, UnknownAction};
pub use api_key::{ApiKey, ApiKeyError, may_hold_a_key};
pub use api_key_authenticator::ApiKeyAuthenticator;
pub use app_user_verifier::{AppUser, AppUserVerifier};
pub use caller::{Caller, CallerKind, OtherWorkspaces};
pub use caller_authentication::{CallerAuthentication, LoopbackCaller, NotLoopback, Presented};
pub use caller_names::clashing_keys;
pub use error::{AccessError, CallerRejection, Suspended, TokenRejection};
pub use issuer::{DEFAULT_ALGORITHMS, DEFAULT_MAX_TOKEN_AGE, InvalidIssuer, IssuerOptions};
pub use jwt_callers::JwtCallerOptions;
pub use key_set_source::KeySetOptions;
pub use kubernetes::KubernetesOptions;
pub use policy::{
    AccessRequest, BUILT_IN_POLICIES, DecidingPolicy, Decision, Effect, InvalidPolicies, NamedType,
    POLICY_SCHEMA, Policy, PolicyFile, PolicyProblem, PolicySummary, Resource, check_policy_files,
};
pub use quotas::{QuotaOptions, Quotas};
pub use reloaded::Reloaded;
pub use spiffe::{
    InvalidSpiffeId, InvalidSvid, InvalidTrustDomain, SpiffeCallers, SpiffeId, Svid,
    TrustDomainOptions,
};
pub use standing::{InvalidStanding, Standing};
pub use suspensions::Suspensions;
pub use token_callers::TokenCallers;
