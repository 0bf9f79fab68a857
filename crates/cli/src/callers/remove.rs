//! `tokend callers remove`.

use std::path::Path;

use clap::Args as ClapArgs;
use serde_json::{Value, json};
use tokend_server::{WhichKeys, config::Config};

use super::key_json;
use crate::output;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The caller, all of whose keys end.
    #[arg(required_unless_present = "key_id")]
    name: Option<String>,
    /// The caller's workspace, where several have a caller of that name.
    #[arg(long)]
    workspace: Option<String>,
    /// Only the key with this id, as 'tokend callers list' shows it.
    #[arg(long, value_name = "ID", conflicts_with_all = ["name", "workspace"])]
    key_id: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(config: Option<&Path>, args: Args) -> anyhow::Result<()> {
    let which = match (args.key_id, args.name) {
        (Some(key_id), _) => WhichKeys::Key(key_id),
        (None, name) => WhichKeys::Caller {
            name: name.unwrap_or_default(),
            workspace: args.workspace,
        },
    };
    let removed = tokend_server::remove_caller(&Config::load(config)?, which).await?;
    if args.json {
        let keys: Value = removed.iter().map(key_json).collect();
        output::line(&json!({ "removed": keys }).to_string())?;
    } else {
        for key in &removed {
            output::line(&key.key_id)?;
        }
    }
    eprintln!("Running servers refuse what was removed within seconds.");
    Ok(())
}
