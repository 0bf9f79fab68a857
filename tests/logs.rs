//! Every log line of this process, kept to be searched.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

static LOGS: LazyLock<Logs> = LazyLock::new(|| {
    let logs = Logs::default();
    let filter = EnvFilter::new("trace,h2=debug,hyper=debug");
    let subscriber = tracing_subscriber::fmt().json().with_env_filter(filter);
    // Whoever was first keeps the logs; within these suites that is us.
    let _ = subscriber.with_writer(logs.clone()).try_init();
    logs
});

#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

/// Everything logged so far, at the finest level, by all servers of this process. The first call begins it.
pub fn captured_logs() -> String {
    let bytes = LOGS.0.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&bytes).into_owned()
}

impl io::Write for Logs {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
