//! `tokend get`: an access token on stdout, what goes with it on stderr.

use clap::Args as ClapArgs;
use tokend_api::v1::{self, ErrorReason};

use crate::{
    output,
    remote::{Remote, answer},
};

/// The integration type whose account a person has to connect first.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unconnected(pub(crate) String);

#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// The integration type.
    integration_type: String,
    /// Which of several accounts.
    #[arg(long)]
    label: Option<String>,
    /// Which of several tokens that the provider issues at once, such as user; the main one if absent.
    #[arg(long, value_name = "NAME")]
    token: Option<String>,
    /// Seconds the token has to be good for.
    #[arg(long, value_name = "SECONDS")]
    min_ttl: Option<u32>,
    /// Scopes the token has to have.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut connectors = args.remote.client().await?.connectors();
    let name = args.integration_type;
    let request = v1::GetConnectionRequest {
        integration_type: name.clone(),
        label: args.label,
        min_ttl: args.min_ttl.map(|seconds| prost_types::Duration {
            seconds: seconds.into(),
            nanos: 0,
        }),
        scopes: args.scope,
        token: args.token.unwrap_or_default(),
        ..Default::default()
    };
    let vended =
        answer(connectors.get_connection(request).await).map_err(|error| match error.reason {
            Some(ErrorReason::NotConnected | ErrorReason::ReauthorizationRequired) => {
                anyhow::Error::from(error).context(Unconnected(name))
            }
            _ => error.into(),
        })?;
    if args.remote.json {
        output::line(&output::json("VendedConnection", &vended)?)?;
        return Ok(());
    }
    output::line(&vended.access_token)?;
    eprintln!(
        "connection {} generation {}",
        vended.connection_id, vended.generation
    );
    match vended.expire_time {
        Some(time) => eprintln!("expires {time}"),
        None => eprintln!("does not say when it expires"),
    }
    for (key, value) in &vended.connection_config {
        eprintln!("{key} = {value}");
    }
    for warning in &vended.warnings {
        eprintln!("warning: {}", warning.message);
    }
    Ok(())
}
