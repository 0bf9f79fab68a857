//! `tokend connections refresh`.

use clap::Args as ClapArgs;
use tokend_api::v1;

use super::time;
use crate::{
    output,
    remote::{Remote, answer},
};

#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// The connection, as `tokend connections list` shows it.
    #[arg(value_name = "ID")]
    connection_id: String,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let request = v1::RefreshConnectionRequest {
        connection_id: args.connection_id,
        etag: String::new(),
    };
    let refreshed = answer(admin.refresh_connection(request).await)?;
    if args.remote.json {
        output::line(&output::json("RefreshConnectionResponse", &refreshed)?)?;
        return Ok(());
    }
    let connection = refreshed.connection.unwrap_or_default();
    let id = &connection.connection_id;
    let generation = connection.generation;
    let until = match time(connection.expire_time) {
        none if none.is_empty() => String::new(),
        until => format!(", good until {until}"),
    };
    output::line(&match refreshed.renewed {
        true => format!("{id}: renewed, generation {generation}{until}"),
        false => {
            format!("{id}: cannot or need not be renewed; generation {generation} stays{until}")
        }
    })?;
    Ok(())
}
