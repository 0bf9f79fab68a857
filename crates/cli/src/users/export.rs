//! `tokend users export`.

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
}

/// The document is JSON in any case.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let request = v1::ExportUserDataRequest {
        app_user_id: args.app_user_id,
    };
    let exported = answer(admin.export_user_data(request).await)?;
    output::line(&exported.user_data_json)?;
    Ok(())
}
