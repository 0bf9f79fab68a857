//! Keeps what peers can bring about as often as they like from filling the log.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

/// The pause between two lines, in seconds.
const PAUSE: u64 = 10;

/// Something that is worth a line in the log now and then.
#[derive(Debug)]
pub(super) struct Seldom {
    since: Instant,
    /// The second, from `since` on, before which it is too soon.
    next: AtomicU64,
}

impl Seldom {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            next: AtomicU64::new(0),
        }
    }

    /// Whether it is time for a line; then it is not for a while.
    pub(super) fn is_due(&self) -> bool {
        self.is_due_at(self.since.elapsed().as_secs())
    }

    fn is_due_at(&self, second: u64) -> bool {
        let next = |next: u64| (next <= second).then_some(second + PAUSE);
        self.next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_pause_between_two() {
        let seldom = Seldom::new();
        let due: Vec<_> = (0..=21)
            .filter(|&second| seldom.is_due_at(second))
            .collect();
        assert_eq!(due, [0, 10, 20]);
        assert!(!seldom.is_due_at(21));
    }
}
