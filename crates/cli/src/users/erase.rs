//! `tokend users erase`.

use clap::Args as ClapArgs;
use tokend_api::v1;

use crate::{
    output,
    remote::{Remote, answer},
};

#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// The app user, as the `sub` of the app's JWT.
    #[arg(value_name = "USER")]
    app_user_id: String,
    /// Only say what would be erased.
    #[arg(long, required_unless_present = "yes")]
    dry_run: bool,
    /// Do it: it cannot be undone.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let request = v1::EraseUserRequest {
        app_user_id: args.app_user_id,
        dry_run: !args.yes,
    };
    let erased = answer(admin.erase_user(request).await)?;
    if args.remote.json {
        output::line(&output::json("EraseUserResponse", &erased)?)?;
        return Ok(());
    }
    let rows = erased.connections.iter().map(|connection| {
        let told = connection.provider_revocation().as_str_name();
        [
            connection.connection_id.clone(),
            connection.integration_type.clone(),
            match erased.erased {
                true => told.replace("PROVIDER_REVOCATION_", ""),
                false => String::new(),
            },
        ]
    });
    output::table(["CONNECTION", "TYPE", "AT THE PROVIDER"], rows)?;
    let done = match erased.erased {
        true => "erased",
        false => "would erase",
    };
    let (connections, attempts) = (erased.connections.len(), erased.erased_authorizations);
    eprintln!("{done} {connections} connections and {attempts} attempts to connect");
    Ok(())
}
