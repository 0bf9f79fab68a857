//! `tokend connections`: the connected accounts.

mod delete;
mod describe;
mod import;
mod import_line;
mod list;
mod reap;
mod refresh;
mod revoke;
mod set_credential;
mod tag;

use clap::Subcommand;
use tokend_api::v1::{self, ProviderRevocation};

pub(crate) use import_line::InvalidImportLine;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List connections; never a token.
    List(list::Args),
    /// Show all there is to know about one connection, for finding out what is wrong; never a token.
    Describe(describe::Args),
    /// Set a credential that a person made at the provider: an API key, or a user name and password.
    SetCredential(set_credential::Args),
    /// Renew a connection's token now.
    Refresh(refresh::Args),
    /// Revoke a connection here and, where it can be, at the provider.
    Revoke(revoke::Args),
    /// Delete a connection here and, where it can be, revoke it at the provider. It leaves no record, unlike revoke.
    Delete(delete::Args),
    /// Give a connection tags to find it by, in place of those it has.
    Tag(tag::Args),
    /// Remove connections that have been dead for long, and attempts to connect that nobody completed.
    Reap(reap::Args),
    /// Bring grants that another system obtained with the same OAuth clients.
    Import(import::Args),
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(args) => list::run(args).await,
        Command::Describe(args) => describe::run(args).await,
        Command::SetCredential(args) => set_credential::run(args).await,
        Command::Refresh(args) => refresh::run(args).await,
        Command::Revoke(args) => revoke::run(args).await,
        Command::Delete(args) => delete::run(args).await,
        Command::Tag(args) => tag::run(args).await,
        Command::Reap(args) => reap::run(args).await,
        Command::Import(args) => import::run(args).await,
    }
}

/// Reads `name=value`.
fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a tag is NAME=VALUE".to_owned()),
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

/// Its tags by name, as `name=value`.
fn tags(connection: &v1::Connection) -> String {
    let tags = connection.tags.iter();
    let mut tags: Vec<_> = tags
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    tags.sort();
    tags.join(" ")
}

/// What became of a grant at its provider.
pub(crate) fn at_provider(revocation: ProviderRevocation) -> &'static str {
    match revocation {
        ProviderRevocation::Revoked => "revoked",
        ProviderRevocation::NotSupported => "not supported",
        ProviderRevocation::Failed => "failed; the grant may live on there",
        ProviderRevocation::Skipped => "left alone",
        ProviderRevocation::Unspecified => "nothing to revoke",
    }
}

/// Empty where there is none.
fn time(time: Option<prost_types::Timestamp>) -> String {
    time.map(|time| time.to_string()).unwrap_or_default()
}
