//! `tokend audit`: who did what, and whether the trail is as it was written.

mod list;
mod verify;

use std::path::Path;

use clap::Subcommand;

pub(crate) use verify::NotAsWritten;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// What was done: administrative acts one by one, vends and refusals counted by the minute.
    List(Box<list::Args>),
    /// Check that nothing in a trail is missing, added or changed. Works on the files and the database, with the key file.
    Verify(verify::Args),
}

pub(crate) async fn run(config: Option<&Path>, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(args) => list::run(*args).await,
        Command::Verify(args) => verify::run(config, args).await,
    }
}
