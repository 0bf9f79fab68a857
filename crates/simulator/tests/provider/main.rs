//! The provider over a real socket: what it grants, what it refuses, how it misbehaves.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod app;
mod browser;
mod classes;
mod clients;
mod codes;
mod faults;
mod imported;
mod misanswers;
mod mischief;
mod oracle;
mod person;
mod refreshes;
