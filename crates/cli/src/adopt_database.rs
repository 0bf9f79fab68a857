//! `tokend adopt-database`: go on with a copy or an old backup, once nobody else uses the connections in it.

use std::path::Path;

use anyhow::bail;
use serde_json::json;
use tokend_server::{AdoptedDatabase, config::Config};

use crate::output;

/// Refresh tokens in a copy may have been used up by the original since. Adopting holds all of them to be doubtful: a
/// provider that punishes the second use of one is asked only when its access token has run out.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Say that no other tokend runs with these connections.
    #[arg(long)]
    i_am_the_only_one: bool,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(config: Option<&Path>, args: &Args) -> anyhow::Result<()> {
    if !args.i_am_the_only_one {
        bail!(
            "two deployments that renew the same connections lose them: stop the other one, then add --i-am-the-only-one"
        );
    }
    let adopted = tokend_server::adopt_database(&Config::load(config)?).await?;
    eprintln!(
        "The database belongs to this deployment now; running servers notice within seconds."
    );
    let AdoptedDatabase {
        deployment_id,
        adoptions,
    } = adopted;
    let text = match args.json {
        true => json!({ "deploymentId": deployment_id, "adoptions": adoptions }).to_string(),
        false => deployment_id,
    };
    Ok(output::line(&text)?)
}
