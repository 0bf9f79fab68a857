//! `tokend callers list`.

use std::path::Path;

use clap::Args as ClapArgs;
use serde_json::{Value, json};
use tokend_server::{CallerKey, config::Config};

use super::{key_json, role};
use crate::output;

const HEADER: [&str; 8] = [
    "CALLER",
    "WORKSPACE",
    "ROLE",
    "KEY",
    "CREATED",
    "EXPIRES",
    "LAST USED",
    "STATUS",
];

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(config: Option<&Path>, args: Args) -> anyhow::Result<()> {
    let keys = tokend_server::list_callers(&Config::load(config)?).await?;
    if args.json {
        let keys: Value = keys.iter().map(key_json).collect();
        output::line(&json!({ "keys": keys }).to_string())?;
    } else {
        output::table(HEADER, keys.iter().map(row))?;
    }
    Ok(())
}

fn row(key: &CallerKey) -> [String; 8] {
    let never = || "never".to_owned();
    [
        key.caller.clone(),
        key.workspace.clone(),
        role(key).to_owned(),
        key.key_id.clone(),
        key.create_time.clone(),
        key.expire_time.clone().unwrap_or_else(never),
        key.last_used_time.clone().unwrap_or_else(never),
        key.status.name().to_owned(),
    ]
}
