//! What this process last saw of its own database: a restored backup is noticed by the next claim, not by the next pulse.

use std::sync::{Mutex, PoisonError};

use tokend_model::ports::Deployment;

/// The latest that was seen of the database while it was ours; nothing before it was found to be.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Option<Deployment>>);

impl Seen {
    /// What it was, to be held against what is read from now on.
    pub(crate) fn get(&self) -> Option<Deployment> {
        self.lock().clone()
    }

    /// The database is ours and says this. What was seen later than this counts more.
    pub(crate) fn note(&self, shown: &Deployment) {
        let mut seen = self.lock();
        if seen
            .as_ref()
            .is_none_or(|seen| seen.id != shown.id || order(seen) < order(shown))
        {
            *seen = Some(shown.clone());
        }
    }

    /// It begins anew with this.
    pub(crate) fn restart(&self, shown: &Deployment) {
        *self.lock() = Some(shown.clone());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Deployment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what is shown now can be the database of which `seen` was seen before.
pub(crate) fn is_still(seen: Option<&Deployment>, shown: Option<&Deployment>) -> bool {
    match (seen, shown) {
        (None, _) => true,
        (Some(seen), Some(shown)) => seen.id == shown.id && !shown.is_behind(seen),
        (Some(_), None) => false,
    }
}

fn order(deployment: &Deployment) -> (i64, i64) {
    (deployment.adoptions, deployment.pulse)
}
