//! HTTP for probes: alive, and ready.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, http::StatusCode, routing::get};

use crate::deployment::Guard;

/// Whether calls can be taken: not before everything is in place, and not any more once draining begins.
///
/// The database or a provider being away does not change it: tokens in memory are still vended.
#[derive(Clone)]
pub(crate) struct Readiness {
    ready: Arc<AtomicBool>,
    guard: Arc<Guard>,
}

impl Readiness {
    pub(crate) fn new(guard: Arc<Guard>) -> Self {
        Self {
            ready: Arc::default(),
            guard,
        }
    }

    pub(crate) fn set(&self, ready: bool) {
        self.ready.store(ready, Ordering::SeqCst);
    }

    fn answer(&self) -> (StatusCode, String) {
        match (self.ready.load(Ordering::SeqCst), self.guard.refused()) {
            (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned()),
            (true, None) => (StatusCode::OK, "ready\n".to_owned()),
            (true, Some(why)) => (StatusCode::OK, format!("ready, vending only: {why}\n")),
        }
    }
}

/// The routes of the operations listener.
pub(crate) fn routes(readiness: Readiness) -> Router {
    let ready = async move || readiness.answer();
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
}
