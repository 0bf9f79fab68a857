//! `tokend connections delete`.

use clap::Args as ClapArgs;
use tokend_api::v1;

use super::at_provider;
use crate::{
    output,
    remote::{Remote, answer},
};

#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// The connection, as `tokend connections list` shows it. The other tokens of the same consent go with it.
    #[arg(value_name = "ID")]
    connection_id: String,
    /// Leave the grant at the provider alone; only tokend forgets it.
    #[arg(long)]
    local_only: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let request = v1::DeleteConnectionRequest {
        connection_id: args.connection_id.clone(),
        etag: String::new(),
        local_only: args.local_only,
    };
    let deleted = answer(admin.delete_connection(request).await)?;
    if args.remote.json {
        output::line(&output::json("DeleteConnectionResponse", &deleted)?)?;
        return Ok(());
    }
    output::line(&format!(
        "{}: deleted here; at the provider: {}",
        args.connection_id,
        at_provider(deleted.provider_revocation())
    ))?;
    Ok(())
}
