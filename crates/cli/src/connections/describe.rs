//! `tokend connections describe`: one connection with the generations of its credential.

use clap::Args as ClapArgs;
use tokend_api::v1;

use super::{owner, status, tags, time};
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
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let request = v1::DescribeConnectionRequest {
        connection_id: args.connection_id,
    };
    let described = answer(admin.describe_connection(request).await)?;
    if args.remote.json {
        output::line(&output::json("DescribeConnectionResponse", &described)?)?;
        return Ok(());
    }
    let connection = described.connection.clone().unwrap_or_default();
    let id = connection.connection_id.clone();
    let known = facts(&described, connection)
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| [name.to_owned(), value]);
    output::table(["CONNECTION", &id], known)?;
    output::line("")?;
    let generations = described.generations.iter().map(|kept| {
        let source = kept.source().as_str_name();
        [
            kept.generation.to_string(),
            source.replace("CREDENTIAL_SOURCE_", ""),
            time(kept.create_time),
            time(kept.expire_time),
            if kept.renewable { "yes" } else { "no" }.to_owned(),
            kept.key_id.clone(),
        ]
    });
    let header = [
        "GENERATION",
        "SOURCE",
        "SINCE",
        "EXPIRES",
        "RENEWABLE",
        "KEY",
    ];
    output::table(header, generations)?;
    Ok(())
}

fn facts(
    described: &v1::DescribeConnectionResponse,
    connection: v1::Connection,
) -> Vec<(&'static str, String)> {
    let account = connection.account.clone().unwrap_or_default();
    let account = [account.name, account.email, account.id];
    let mut config: Vec<_> = connection
        .connection_config
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    config.sort();
    let failures = match described.consecutive_failures {
        0 => String::new(),
        failures => failures.to_string(),
    };
    vec![
        ("connector", connection.connector_id.clone()),
        ("type", connection.integration_type.clone()),
        ("owner", owner(&connection)),
        ("label", connection.label.clone()),
        ("status", status(&connection)),
        ("why", connection.status_reason.clone()),
        (
            "account",
            account
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect::<Vec<_>>()
                .join(", "),
        ),
        ("connection config", config.join(" ")),
        ("tags", tags(&connection)),
        ("scopes", connection.scopes.join(" ")),
        ("missing scopes", connection.missing_scopes.join(" ")),
        ("made", time(connection.create_time)),
        ("authorized", time(connection.authorize_time)),
        ("renewed", time(connection.refresh_time)),
        ("expires", time(connection.expire_time)),
        ("next renewal", time(described.next_refresh_time)),
        ("failures in a row", failures),
        ("last failure", described.last_failure_reason.clone()),
        ("needs its user by", time(described.needs_user_by_time)),
        ("last used", time(connection.last_use_time)),
        ("uses", connection.use_count.to_string()),
    ]
}
