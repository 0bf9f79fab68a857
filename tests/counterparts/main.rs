//! Programs that others wrote, against a running tokend: a certified OAuth provider, and grpcurl.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod grpcurl;
mod oidc_provider;
mod wiretap;

use std::io::{self, Write};

/// The program that an environment variable names. With `CI=true` it must be there; else its absence is said aloud.
fn counterpart(name: &str, variable: &str) -> Option<String> {
    let path = std::env::var(variable).ok().filter(|path| !path.is_empty());
    if path.is_none() {
        let why = format!("{variable} is not set; 'make test' sets it");
        let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!in_ci, "{name} is missing: {why}");
        // Not by eprintln, which is kept back while tests pass.
        let line = format!("{name}: NOT TESTED ({why})\n");
        io::stderr().write_all(line.as_bytes()).unwrap();
    }
    path
}
