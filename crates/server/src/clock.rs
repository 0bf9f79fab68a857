//! The real clock; everywhere else time is an argument.

use chrono::SubsecRound;
use tokend_model::{Timestamp, ports::Clock};

/// The operating system's clock, to the millisecond: as precise as storage keeps times, so that what is answered from
/// memory and from the database is the same.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the edge where the clock lives"
    )]
    fn now(&self) -> Timestamp {
        chrono::Utc::now().trunc_subsecs(3)
    }
}
