//! `tokend connections`: the connected accounts.

mod describe;
mod import;
mod import_line;
mod list;

use clap::Subcommand;
use tokend_api::v1;

pub(crate) use import_line::InvalidImportLine;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List connections; never a token.
    List(list::Args),
    /// Show all there is to know about one connection, for finding out what is wrong; never a token.
    Describe(describe::Args),
    /// Bring grants that another system obtained with the same OAuth clients.
    Import(import::Args),
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(args) => list::run(args).await,
        Command::Describe(args) => describe::run(args).await,
        Command::Import(args) => import::run(args).await,
    }
}

fn status(connection: &v1::Connection) -> String {
    let name = connection.status().as_str_name();
    name.replace("CONNECTION_STATUS_", "")
}

fn owner(connection: &v1::Connection) -> String {
    match connection.app_user_id.is_empty() {
        true => "shared".to_owned(),
        false => connection.app_user_id.clone(),
    }
}

/// Empty where there is none.
fn time(time: Option<prost_types::Timestamp>) -> String {
    time.map(|time| time.to_string()).unwrap_or_default()
}
