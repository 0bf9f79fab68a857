//! `tokend connections reap`.

use clap::Args as ClapArgs;
use tokend_api::v1;

use super::{owner, status, time};
use crate::{
    output,
    remote::{Remote, answer},
};

#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// Only say what would be removed.
    #[arg(long)]
    dry_run: bool,
    /// How many days a connection has to have been dead and unused; at least 30.
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    dead_for: i32,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let mut all = v1::ReapConnectionsResponse::default();
    loop {
        let request = v1::ReapConnectionsRequest {
            dry_run: args.dry_run,
            dead_for_days: args.dead_for,
        };
        let batch = answer(admin.reap_connections(request).await)?;
        let nothing = batch.connections.is_empty() && batch.authorization_count == 0;
        all.connections.extend(batch.connections);
        all.authorization_count = all
            .authorization_count
            .saturating_add(batch.authorization_count);
        all.removed = batch.removed;
        // A dry run removes nothing: the next one would tell the same.
        if nothing || args.dry_run {
            break;
        }
    }
    if args.remote.json {
        output::line(&output::json("ReapConnectionsResponse", &all)?)?;
        return Ok(());
    }
    let (connections, authorizations) = (all.connections.len(), all.authorization_count);
    let rows = all.connections.into_iter().map(|connection| {
        [
            connection.connection_id.clone(),
            connection.connector_id.clone(),
            owner(&connection),
            status(&connection),
            time(connection.refresh_time),
        ]
    });
    output::table(
        ["CONNECTION", "CONNECTOR", "OWNER", "STATUS", "RENEWED"],
        rows,
    )?;
    let done = match all.removed {
        true => "removed",
        false => "would remove",
    };
    eprintln!("{done} {connections} connections and {authorizations} attempts to connect");
    Ok(())
}
