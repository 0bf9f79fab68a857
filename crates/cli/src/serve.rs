//! `tokend serve`: start, wait for a signal, drain.

use std::path::Path;

use anyhow::Context;
use tokend_server::{Callers, Server, begin_logging, config::Config};
use tokio::signal::unix::{SignalKind, signal};

pub(crate) async fn run(config: Option<&Path>) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    begin_logging(&config.log);
    let server = Server::start(&config, Callers::ApiKeys).await?;
    wait_for_signal().await?;
    server.stop().await;
    Ok(())
}

/// Waits until the process is told to end, by SIGTERM or by Ctrl-C.
pub(crate) async fn wait_for_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted.context("Ctrl-C cannot be waited for"),
    }
}
