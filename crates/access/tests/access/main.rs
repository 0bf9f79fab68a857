//! Access from the outside: API keys over a fake store, tokens of app users and callers over issuers on real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api_keys;
mod app_user_audiences;
mod app_user_tokens;
mod callers;
mod clock;
mod cluster;
mod forgeries;
mod forgery_set;
mod issuer;
mod jwt_callers;
mod key_rotation;
mod kubernetes;
mod signing_key;
mod token_review;
