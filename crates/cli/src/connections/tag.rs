//! `tokend connections tag`.

use clap::Args as ClapArgs;
use tokend_api::v1;

use super::tag;
use crate::{
    output,
    remote::{Remote, answer},
};

#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// The connection.
    #[arg(value_name = "CONNECTION")]
    connection_id: String,
    /// Its tags from now on; none removes those it has.
    #[arg(value_name = "NAME=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
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
