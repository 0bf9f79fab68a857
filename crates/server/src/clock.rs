//! The real clock; everywhere else time is an argument.

use tokend_model::{Timestamp, ports::Clock};

/// The operating system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the edge where the clock lives"
    )]
    fn now(&self) -> Timestamp {
        chrono::Utc::now()
    }
}
