//! `tokend connect`: opens the browser, waits for the consent, completes, reports.

use std::collections::HashMap;

use anyhow::bail;
use clap::Args as ClapArgs;
use tokend_api::v1::{self, AuthorizationState};

use crate::{
    output,
    remote::{Remote, answer},
};

/// Shorter than any proxy's patience; asked again until the authorization expires.
const WAIT_SECONDS: i64 = 20;

#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// The integration type whose shared account is to be connected.
    integration_type: String,
    /// A value the type asks for before connecting.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    connection_config: Vec<(String, String)>,
    /// Ask for these scopes only.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// Which of several accounts.
    #[arg(long)]
    label: Option<String>,
    /// Print the URL only; do not open a browser.
    #[arg(long)]
    no_browser: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let start = v1::StartAuthorizationRequest {
        integration_type: args.integration_type.clone(),
        connection_config: args
            .connection_config
            .into_iter()
            .collect::<HashMap<_, _>>(),
        scopes: args.scope,
        label: args.label,
        ..Default::default()
    };
    let started = answer(admin.start_authorization(start).await)?;
    eprintln!(
        "Open this page to connect {}:\n\n  {}\n",
        args.integration_type, started.redirect_url
    );
    if !args.no_browser && open::that_detached(&started.redirect_url).is_err() {
        eprintln!("(No browser could be opened from here.)");
    }
    eprintln!("Waiting for the consent; Ctrl-C gives up.");
    loop {
        let request = v1::GetAuthorizationRequest {
            authorization_id: started.authorization_id.clone(),
            wait_time: Some(prost_types::Duration {
                seconds: WAIT_SECONDS,
                nanos: 0,
            }),
        };
        let present = answer(admin.get_authorization(request).await)?
            .authorization
            .unwrap_or_default();
        match present.state() {
            AuthorizationState::AwaitingCompletion => break,
            AuthorizationState::Denied => bail!("the user or the provider denied access"),
            AuthorizationState::Expired => bail!("nobody consented in time; run the command again"),
            AuthorizationState::Failed => {
                bail!("the authorization failed: {}", present.failure_reason)
            }
            _ => {}
        }
    }
    let complete = v1::CompleteAuthorizationRequest {
        authorization_id: started.authorization_id,
        completion_token: started.completion_token,
    };
    let completed = answer(admin.complete_authorization(complete).await)?;
    let connection = completed.connection.unwrap_or_default();
    if args.remote.json {
        output::line(&output::json("Connection", &connection)?)?;
        return Ok(());
    }
    let account = connection.account.clone().unwrap_or_default();
    let rows = [
        ["connection".to_owned(), connection.connection_id],
        [
            "account".to_owned(),
            [account.email, account.name, account.id]
                .into_iter()
                .find(|text| !text.is_empty())
                .unwrap_or_default(),
        ],
        ["scopes".to_owned(), connection.scopes.join(" ")],
    ];
    output::table(["CONNECTED", &args.integration_type], rows)?;
    Ok(())
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("must be KEY=VALUE".to_owned()),
    }
}
