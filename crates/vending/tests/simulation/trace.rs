//! What happened in a run, a line each; written only when a seed is replayed.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// The lines so far, if they are kept at all.
pub(crate) struct Trace {
    start: Instant,
    lines: Option<Mutex<Vec<String>>>,
}

impl Trace {
    pub(crate) fn new(kept: bool) -> Self {
        Self {
            start: Instant::now(),
            lines: kept.then(Mutex::default),
        }
    }

    pub(crate) fn write(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let line = format!("{:>9.3} {}", self.start.elapsed().as_secs_f64(), line());
            lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.lines.as_ref();
        lines
            .map(|lines| lines.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .unwrap_or_default()
    }
}
