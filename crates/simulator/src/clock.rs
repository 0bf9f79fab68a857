//! The simulator's wall clock. It is another party than the daemon under test, so it has a clock of its own.

use chrono::{DateTime, Utc};

/// The time now.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the simulator reads its clock"
)]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
