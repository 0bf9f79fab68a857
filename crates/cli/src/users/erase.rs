//! `tokend users erase`.

use clap::{ArgGroup, Args as ClapArgs};
use tokend_api::v1;

use crate::{
    connections::at_provider,
    output,
    remote::{Remote, answer},
};

#[derive(ClapArgs)]
#[command(group(ArgGroup::new("how").required(true).args(["dry_run", "yes"])))]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// The app user, as the `sub` of the app's JWT.
    #[arg(value_name = "USER")]
    app_user_id: String,
    /// Only say what would be erased.
    #[arg(long)]
    dry_run: bool,
    /// Do it: it cannot be undone.
    #[arg(long)]
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
        let told = at_provider(connection.provider_revocation());
        [
            connection.connection_id.clone(),
            connection.integration_type.clone(),
            match erased.erased {
                true => told.to_owned(),
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
