//! Policies from the outside: how they are read and changed, what they decide, and that the examples say what they
//! are said to say.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod asking;
mod examples;
mod policies;
