//! `tokend users`: what is stored about an app user, and its end.

mod erase;
mod export;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print all that is stored about an app user, as JSON; never a token.
    Export(export::Args),
    /// Erase all that is stored about an app user, and revoke their grants where it can be.
    Erase(erase::Args),
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Export(args) => export::run(args).await,
        Command::Erase(args) => erase::run(args).await,
    }
}
