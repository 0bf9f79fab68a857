//! `tokend callers rotate`.

use std::path::Path;

use clap::Args as ClapArgs;
use tokend_server::{Rotation, config::Config};

use super::{days, hours, print_new};

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The caller.
    name: String,
    /// The caller's workspace, where several have a caller of that name.
    #[arg(long)]
    workspace: Option<String>,
    /// Hours for which the present keys still work, unless they end sooner by themselves.
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    overlap_hours: u32,
    /// Days until the new key stops working [default: as long as the present one was made for].
    #[arg(long, value_name = "DAYS")]
    expires_in_days: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(config: Option<&Path>, args: Args) -> anyhow::Result<()> {
    let rotation = Rotation {
        name: args.name,
        workspace: args.workspace,
        overlap: hours(args.overlap_hours),
        expires_in: args.expires_in_days.map(days),
    };
    let rotated = tokend_server::rotate_caller(&Config::load(config)?, rotation).await?;
    print_new(&rotated.added, args.json, Some(&rotated.ending))?;
    for key in &rotated.ending {
        let end = key.expire_time.as_deref().unwrap_or("never");
        eprintln!("The key {} ends at {end}.", key.key_id);
    }
    Ok(())
}
