//! Access from the outside: API keys over a fake store, app users' tokens over an issuer on a real socket.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api_keys;
mod app_user_tokens;
mod clock;
mod issuer;
mod key_rotation;
mod signing_key;
