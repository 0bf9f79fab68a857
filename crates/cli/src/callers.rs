//! `tokend callers`: who may call, by API key. All of it works on the database; a running server notices within seconds.

mod add;
mod list;
mod remove;
mod rotate;

use std::{path::Path, time::Duration};

use clap::Subcommand;
use serde_json::{Value, json};
use tokend_server::{AddedCaller, CallerKey};

use crate::output;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make an API key for a caller and print it, once. Works on the database; a running server notices within
    /// seconds.
    Add(add::Args),
    /// List the API keys there are: whose, since when, until when, last used; never a key itself.
    List(list::Args),
    /// Remove a caller's API keys, or one of them. A running server notices within seconds.
    Remove(remove::Args),
    /// Make a new API key for a caller and print it, once. The present ones go on for a while, so that no call fails
    /// until all have the new one.
    Rotate(rotate::Args),
}

pub(crate) async fn run(config: Option<&Path>, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add(args) => add::run(config, args).await,
        Command::List(args) => list::run(config, args).await,
        Command::Remove(args) => remove::run(config, args).await,
        Command::Rotate(args) => rotate::run(config, args).await,
    }
}

/// Prints a new key: by itself, or with what there is to say about it.
fn print_new(added: &AddedCaller, json: bool, ending: Option<&[CallerKey]>) -> anyhow::Result<()> {
    if json {
        let mut shown = key_json(&added.key);
        shown["apiKey"] = added.api_key.expose().into();
        if let Some(ending) = ending {
            shown["ending"] = ending.iter().map(key_json).collect();
        }
        output::line(&shown.to_string())?;
    } else {
        output::line(added.api_key.expose())?;
    }
    eprintln!(
        "This is the only time the key is shown. Callers send it as 'authorization: Bearer KEY'."
    );
    Ok(())
}

fn key_json(key: &CallerKey) -> Value {
    json!({
        "caller": key.caller,
        "workspace": key.workspace,
        "role": role(key),
        "keyId": key.key_id,
        "createTime": key.create_time,
        "expireTime": key.expire_time,
        "lastUsedTime": key.last_used_time,
        "status": key.status.name(),
    })
}

fn role(key: &CallerKey) -> &'static str {
    match key.operator {
        true => "operator",
        false => "backend",
    }
}

fn days(days: u32) -> Duration {
    hours(days) * 24
}

fn hours(hours: u32) -> Duration {
    Duration::from_secs(u64::from(hours) * 60 * 60)
}
