//! What the suites share: a whole tokend in this process, with the simulator beside it, on a database of its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot be set up has failed"
)]

mod answers;
mod authority;
mod database;
mod logs;
mod tokend;
mod two_tokens;

pub use answers::{eventually, refused};
pub use authority::{Authority, KeyedCertificate, svid, tls_channel, valid};
pub use database::{Database, databases};
pub use logs::captured_logs;
pub use tokend::{AUDIENCE, Options, Tokend, definition, for_user, local_config, reason};
pub use two_tokens::{Books, TwoTokens};
