//! `tokend connections revoke`.

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
    /// The connection, as `tokend connections list` shows it.
    #[arg(value_name = "ID")]
    connection_id: String,
    /// Leave the grant at the provider alone; only tokend forgets the credential.
    #[arg(long)]
    local_only: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let request = v1::RevokeConnectionRequest {
        connection_id: args.connection_id,
        etag: String::new(),
        local_only: args.local_only,
    };
    let revoked = answer(admin.revoke_connection(request).await)?;
    if args.remote.json {
        output::line(&output::json("RevokeConnectionResponse", &revoked)?)?;
        return Ok(());
    }
    let at_provider = at_provider(revoked.provider_revocation());
    let connection = revoked.connection.unwrap_or_default();
    let id = &connection.connection_id;
    output::line(&format!(
        "{id}: revoked here; at the provider: {at_provider}"
    ))?;
    Ok(())
}
