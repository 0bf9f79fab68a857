//! Time: everywhere else it is an argument.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use chrono::{SubsecRound, TimeDelta};
use tokend_model::{Timestamp, ports::Clock};
use tokio::time::Instant;

/// The operating system's clock, to the millisecond.
pub(crate) struct SystemClock;

/// The database's clock, which all replicas share, carried on by this machine's monotonic one: neither a wrong wall
/// clock here nor a step of it changes when a token is taken for expired.
///
/// To the millisecond: as precise as storage keeps times, so that what is answered from memory and from the
/// database is the same.
pub(crate) struct DatabaseClock {
    start: Instant,
    /// What the database's clock showed at `start`, in unix milliseconds.
    at_start: AtomicI64,
}

/// A reading that took longer says too little about the time.
const SLOWEST_READING: Duration = Duration::from_secs(2);

/// A step of the database's clock that is worth a line in the log.
const NOTABLE_STEP: i64 = 1_000;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the edge where the clock lives"
    )]
    fn now(&self) -> Timestamp {
        chrono::Utc::now().trunc_subsecs(3)
    }
}

impl DatabaseClock {
    /// A clock that shows what the database's showed between the two instants.
    pub(crate) fn new(shown: Timestamp, asked: Instant, answered: Instant) -> Self {
        let clock = Self {
            start: asked,
            at_start: AtomicI64::new(0),
        };
        let at_start = clock.at_start(shown, asked, answered);
        clock.at_start.store(at_start, Ordering::Relaxed);
        clock
    }

    /// Sets the clock by another reading.
    pub(crate) fn set(&self, shown: Timestamp, asked: Instant, answered: Instant) {
        if answered - asked > SLOWEST_READING {
            return;
        }
        let at_start = self.at_start(shown, asked, answered);
        let step = at_start - self.at_start.swap(at_start, Ordering::Relaxed);
        if step.abs() >= NOTABLE_STEP {
            tracing::warn!(
                milliseconds = step,
                "the database's clock was set, and ours with it"
            );
        }
    }

    /// What the database showed at `start`, if it showed `shown` halfway between asking and answering.
    fn at_start(&self, shown: Timestamp, asked: Instant, answered: Instant) -> i64 {
        let halfway = asked + (answered - asked) / 2;
        shown.timestamp_millis() - milliseconds(halfway - self.start)
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        let now = self.at_start.load(Ordering::Relaxed) + milliseconds(self.start.elapsed());
        Timestamp::from_timestamp_millis(now).unwrap_or(Timestamp::UNIX_EPOCH + TimeDelta::zero())
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_timestamp_millis(1_800_000_000_000 + milliseconds).unwrap_or_default()
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_by_itself_and_is_set_by_readings() {
        let asked = Instant::now();
        tokio::time::advance(Duration::from_millis(200)).await;
        let clock = DatabaseClock::new(at(0), asked, Instant::now());
        assert_eq!(clock.now(), at(100));
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(clock.now(), at(600_100));

        let asked = Instant::now();
        clock.set(at(600_900), asked, asked);
        assert_eq!(clock.now(), at(600_900));
        // An answer that was long in coming may be from any time in between.
        tokio::time::advance(Duration::from_secs(3)).await;
        clock.set(at(0), asked, Instant::now());
        assert_eq!(clock.now(), at(603_900));
    }
}
