//! `tokend connections tag`.

use clap::{ArgGroup, Args as ClapArgs};
use tokend_api::v1;

use super::tag;
use crate::{
    output,
    remote::{Remote, answer},
};

#[derive(ClapArgs)]
#[command(override_usage = "tokend connections tag [OPTIONS] <CONNECTION> <NAME=VALUE...|--clear>")]
#[command(group(ArgGroup::new("which").required(true).args(["tags", "clear"])))]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// The connection.
    #[arg(value_name = "CONNECTION")]
    connection_id: String,
    /// Its tags from now on.
    #[arg(value_name = "NAME=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// Remove those it has.
    #[arg(long)]
    clear: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let request = v1::UpdateConnectionRequest {
        connection_id: args.connection_id,
        tags: args.tags.into_iter().collect(),
        etag: String::new(),
    };
    let updated = answer(admin.update_connection(request).await)?;
    if args.remote.json {
        output::line(&output::json("UpdateConnectionResponse", &updated)?)?;
        return Ok(());
    }
    let connection = updated.connection.unwrap_or_default();
    let mut tags: Vec<_> = connection.tags.into_iter().collect();
    tags.sort();
    for (name, value) in tags {
        output::line(&format!("{name}={value}"))?;
    }
    Ok(())
}
