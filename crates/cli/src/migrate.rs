//! `tokend migrate`: bring the database's tables up to date, before replicas start.

use std::path::Path;

use tokend_server::config::Config;

pub(crate) async fn run(config: Option<&Path>) -> anyhow::Result<()> {
    tokend_server::migrate(&Config::load(config)?).await?;
    eprintln!("The database is up to date.");
    Ok(())
}
