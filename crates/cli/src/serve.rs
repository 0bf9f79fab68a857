//! `tokend serve`: start, wait for a signal, drain.

use std::path::Path;

use anyhow::Context;
use tokend_server::{Callers, Server, begin_logging, config::Config};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end the process in order: SIGTERM, and SIGINT, which is Ctrl-C. None is missed from
/// [`EndSignals::listen`] on.
pub(crate) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?,
            interrupt: signal(SignalKind::interrupt()).context("Ctrl-C cannot be waited for")?,
        })
    }

    /// Waits for one of them.
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

pub(crate) async fn run(config: Option<&Path>) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    begin_logging(&config.log);
    // Before the start, which may take a while and is itself what a signal may end.
    let mut signals = EndSignals::listen()?;
    let server = tokio::select! {
        started = Server::start(&config, Callers::ApiKeys) => started?,
        () = signals.wait() => return Ok(()),
    };
    signals.wait().await;
    server.stop().await;
    Ok(())
}
