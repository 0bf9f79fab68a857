//! Chance that a seed decides: the only source of randomness in a simulated run.

use std::{
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokend_model::ports::Chance;

/// Seeded chance, shared by everything in one run.
pub(crate) struct Dice(Mutex<fastrand::Rng>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// True in `share` of all cases (0..1).
    pub(crate) fn chance(&self, share: f64) -> bool {
        share > 0.0 && self.rng().f64() < share
    }

    pub(crate) fn between(&self, range: Range<u64>) -> u64 {
        self.rng().u64(range)
    }

    /// An index below `length`, which is not 0.
    pub(crate) fn below(&self, length: usize) -> usize {
        self.rng().usize(0..length)
    }

    pub(crate) fn pick<T: Copy>(&self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub(crate) fn milliseconds(&self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.between(range))
    }

    /// What is left of the chance: equal after two runs that went the same way.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.rng().get_seed()
    }

    fn rng(&self) -> MutexGuard<'_, fastrand::Rng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chance for Dice {
    fn roll(&self) -> f64 {
        self.rng().f64()
    }
}
