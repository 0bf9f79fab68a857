//! The stage: which provider all the world is at the moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    provider::Provider,
    wire::{Answer, Request},
};

/// One provider at a time, so that each request is somebody's.
#[derive(Default)]
pub(crate) struct Stage {
    on: Mutex<Option<Arc<Provider>>>,
}

impl Stage {
    /// Lets this provider answer from now on.
    pub(crate) fn enter(&self, provider: &Arc<Provider>) {
        *self.on() = Some(Arc::clone(provider));
    }

    /// Lets nobody answer.
    pub(crate) fn clear(&self) {
        *self.on() = None;
    }

    /// What the provider on stage answers.
    pub(crate) fn answer(&self, request: &Request) -> Answer {
        let provider = self.on().clone();
        match provider {
            Some(provider) => provider.answer(request),
            None => Answer::error(404, "nobody_is_on_stage"),
        }
    }

    fn on(&self) -> MutexGuard<'_, Option<Arc<Provider>>> {
        self.on.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
