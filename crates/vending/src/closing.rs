//! Closing: a process that is about to end begins nothing that its end could cut off.

use std::sync::atomic::{AtomicU8, Ordering};

const SCHEDULED: u8 = 1;
const ALL: u8 = 2;

/// Which renewals are no longer begun.
#[derive(Default)]
pub(crate) struct Closing(AtomicU8);

impl Closing {
    /// From now on none that nobody waits for.
    pub(crate) fn begin(&self) {
        self.0.fetch_max(SCHEDULED, Ordering::SeqCst);
    }

    /// From now on none.
    pub(crate) fn finish(&self) {
        self.0.fetch_max(ALL, Ordering::SeqCst);
    }

    pub(crate) fn refuses(&self, scheduled: bool) -> bool {
        match self.0.load(Ordering::SeqCst) {
            0 => false,
            SCHEDULED => scheduled,
            _ => true,
        }
    }
}
