//! `tokend callers`: who may call, by API key.

use std::{path::Path, time::Duration};

use clap::{Subcommand, ValueEnum};
use tokend_server::{NewCaller, config::Config};

use crate::output;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make an API key for a caller and print it, once. Works on the database; a running server notices within
    /// seconds.
    Add {
        /// The caller's name, as logs and the audit trail show it.
        name: String,
        /// What it may do.
        #[arg(long, value_enum, default_value_t = Role::Backend)]
        role: Role,
        /// The workspace it may ask about.
        #[arg(long, default_value = "default")]
        workspace: String,
        /// Days until the key stops working [default: never].
        #[arg(long, value_name = "DAYS")]
        expires_in_days: Option<u32>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Role {
    /// A backend service: gets tokens.
    Backend,
    /// An operator or control plane: manages connectors and connections as well.
    Operator,
}

pub(crate) async fn run(config: Option<&Path>, command: Command) -> anyhow::Result<()> {
    let Command::Add {
        name,
        role,
        workspace,
        expires_in_days,
        json,
    } = command;
    let config = Config::load(config)?;
    let caller = NewCaller {
        name: name.clone(),
        workspace: workspace.clone(),
        operator: matches!(role, Role::Operator),
        expires_in: expires_in_days.map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
    };
    let added = tokend_server::add_caller(&config, caller).await?;
    if json {
        let shown = serde_json::json!({
            "apiKey": added.api_key.expose(),
            "keyId": added.key_id,
            "caller": name,
            "workspace": workspace,
            "expireTime": added.expire_time,
        });
        output::line(&shown.to_string())?;
    } else {
        output::line(added.api_key.expose())?;
    }
    eprintln!(
        "This is the only time the key is shown. Callers send it as 'authorization: Bearer KEY'."
    );
    Ok(())
}
