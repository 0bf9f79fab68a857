//! `tokend callers add`.

use std::path::Path;

use clap::{Args as ClapArgs, ValueEnum};
use tokend_server::{NewCaller, config::Config};

use super::{days, print_new};

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The caller's name, as logs and the audit trail show it: without ':', '/', '#', '{' and spaces, which tell the
    /// names of other callers.
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
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    /// A backend service: gets tokens.
    Backend,
    /// An operator or control plane: manages connectors and connections as well.
    Operator,
}

pub(crate) async fn run(config: Option<&Path>, args: Args) -> anyhow::Result<()> {
    let caller = NewCaller {
        name: args.name,
        workspace: args.workspace,
        operator: matches!(args.role, Role::Operator),
        expires_in: args.expires_in_days.map(days),
    };
    let added = tokend_server::add_caller(&Config::load(config)?, caller).await?;
    print_new(&added, args.json, None)?;
    if added.others > 0 {
        let name = &added.key.caller;
        eprintln!(
            "{name} has {} keys now; 'tokend callers rotate {name}' lets the others end.",
            added.others + 1
        );
    }
    Ok(())
}
