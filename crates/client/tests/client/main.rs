//! The client against a server on a real socket that answers by script.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod calls;
mod retries;
mod server;
