//! `tokend connections`: the connected accounts.

use clap::{Args, Subcommand};
use tokend_api::v1;

use crate::{
    output,
    remote::{Remote, answer},
};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List connections; never a token.
    List(List),
}

#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    remote: Remote,
    /// Only those under this connector.
    #[arg(long)]
    connector: Option<String>,
    /// Only those of this integration type.
    #[arg(long = "type")]
    integration_type: Option<String>,
    /// Only this app user's.
    #[arg(long)]
    user: Option<String>,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    let Command::List(args) = command;
    let mut admin = args.remote.client().await?.admin();
    let mut all = v1::ListConnectionsResponse::default();
    loop {
        let request = v1::ListConnectionsRequest {
            connector_id: args.connector.clone().unwrap_or_default(),
            integration_type: args.integration_type.clone().unwrap_or_default(),
            app_user_id: args.user.clone().unwrap_or_default(),
            page_size: 1000,
            page_token: all.next_page_token.clone(),
            ..Default::default()
        };
        let page = answer(admin.list_connections(request).await)?;
        all.connections.extend(page.connections);
        all.next_page_token = page.next_page_token;
        if all.next_page_token.is_empty() {
            break;
        }
    }
    if args.remote.json {
        output::line(&output::json("ListConnectionsResponse", &all)?)?;
        return Ok(());
    }
    let rows = all.connections.into_iter().map(|connection| {
        let status = connection
            .status()
            .as_str_name()
            .replace("CONNECTION_STATUS_", "");
        let owner = match connection.app_user_id.is_empty() {
            true => "shared".to_owned(),
            false => connection.app_user_id.clone(),
        };
        let account = connection.account.clone().unwrap_or_default();
        let expires = connection
            .expire_time
            .map(|time| time.to_string())
            .unwrap_or_default();
        [
            connection.connection_id,
            connection.connector_id,
            owner,
            connection.label,
            status,
            account.email,
            expires,
            connection.use_count.to_string(),
        ]
    });
    output::table(
        [
            "CONNECTION",
            "CONNECTOR",
            "OWNER",
            "LABEL",
            "STATUS",
            "ACCOUNT",
            "EXPIRES",
            "USES",
        ],
        rows,
    )?;
    Ok(())
}
