//! `tokend connectors`: what is available, and connectors kept in files.

mod available;
pub(crate) mod confirm;
mod connect_new;
mod diff;
mod plan;
mod plan_table;
mod pull;
mod push;
mod refused;
mod schema;
mod stored;

pub(crate) use confirm::NotConfirmed;
pub(crate) use stored::Stored;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the integration types that connectors can be made for.
    ListAvailable(available::Args),
    /// Make the server's connectors what a folder of files says: one {type}.jsonc each, {type}.toml for types of
    /// one's own. Shows a plan and asks first. All or nothing.
    Push(push::Args),
    /// Write the server's connectors into a folder of files. Where a file stands, only what changed is edited.
    Pull(pull::Args),
    /// Tell where a folder of files and the server differ: exit code 0 if nowhere, 1 if somewhere.
    Diff(diff::Args),
    /// Print the JSON Schema of connector files, for editors.
    Schema,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::ListAvailable(args) => available::run(args).await,
        Command::Push(args) => push::run(args).await,
        Command::Pull(args) => pull::run(args).await,
        Command::Diff(args) => diff::run(args).await,
        Command::Schema => schema::run(),
    }
}
