//! A clock that stands still until it is told otherwise.

use std::sync::atomic::{AtomicI64, Ordering};

use tokend_model::{Timestamp, ports::Clock};

/// Seconds since 1970.
pub(crate) struct StandingClock(AtomicI64);

impl StandingClock {
    pub(crate) const START: i64 = 1_800_000_000;

    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(Self::START))
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_timestamp(self.seconds(), 0).unwrap()
    }
}
