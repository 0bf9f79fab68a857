//! `tokend connections list`.

use clap::Args as ClapArgs;
use tokend_api::v1;

use super::{owner, status, tag, tags, time};
use crate::{
    output,
    remote::{Remote, answer},
};

/// Told only where a connection has some.
const TOKEN: &str = "TOKEN";
const TAGS: &str = "TAGS";

const HEADER: [&str; 10] = [
    "CONNECTION",
    "CONNECTOR",
    "OWNER",
    "LABEL",
    TOKEN,
    "STATUS",
    "ACCOUNT",
    "EXPIRES",
    "USES",
    TAGS,
];

#[derive(ClapArgs)]
pub(crate) struct Args {
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
    /// Only those of integration types of this category, such as calendar.
    #[arg(long)]
    category: Option<String>,
    /// Only those with this tag; may be repeated.
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let mut all = v1::ListConnectionsResponse::default();
    loop {
        let request = v1::ListConnectionsRequest {
            connector_id: args.connector.clone().unwrap_or_default(),
            integration_type: args.integration_type.clone().unwrap_or_default(),
            app_user_id: args.user.clone().unwrap_or_default(),
            category: args.category.clone().unwrap_or_default(),
            tags: args.tags.iter().cloned().collect(),
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
    let rows = all.connections.into_iter().map(row);
    output::table_without_empty(HEADER, rows, &[TOKEN, TAGS])?;
    Ok(())
}

fn row(connection: v1::Connection) -> [String; 10] {
    let status = status(&connection);
    let owner = owner(&connection);
    let tags = tags(&connection);
    let account = connection.account.clone().unwrap_or_default();
    let expires = time(connection.expire_time);
    [
        connection.connection_id,
        connection.connector_id,
        owner,
        connection.label,
        connection.token,
        status,
        account.email,
        expires,
        connection.use_count.to_string(),
        tags,
    ]
}
