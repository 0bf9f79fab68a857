//! `tokend connect`: connects the shared account of an integration type, and reports.

mod authorization;

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use tokend_api::v1;

pub(crate) use authorization::authorize;
use authorization::{Manner, carry_out};

use crate::{output, remote::Remote};

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
    /// A word to find the connection by.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = key_value)]
    tags: Vec<(String, String)>,
    /// Print the URL only; do not open a browser.
    #[arg(long)]
    no_browser: bool,
    /// Show a code to enter on another device, where the type allows that; needs no browser on this machine.
    #[arg(long, conflicts_with = "no_browser")]
    device: bool,
    /// Take another account than the connected one without asking.
    #[arg(long)]
    accept_account_change: bool,
    /// The token to be exchanged, where the type's grant is a token exchange; - for standard input.
    #[arg(long, value_name = "FILE")]
    subject_token_file: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let subject_token = match &args.subject_token_file {
        Some(file) => secret_from(file, "--subject-token-file")?,
        None => String::new(),
    };
    let start = v1::StartAuthorizationRequest {
        integration_type: args.integration_type.clone(),
        connection_config: args.connection_config.into_iter().collect(),
        scopes: args.scope,
        label: args.label,
        tags: args.tags.into_iter().collect(),
        device: args.device,
        subject_token,
        ..Default::default()
    };
    let mut admin = args.remote.client().await?.admin();
    let manner = Manner {
        opens_browser: !args.no_browser,
        accepts_account_change: args.accept_account_change,
    };
    let connection = carry_out(&mut admin, start, manner).await?;
    report(&args.remote, &args.integration_type, connection)
}

/// Tells of a connection that was made.
pub(crate) fn report(
    remote: &Remote,
    name: &str,
    connection: v1::Connection,
) -> anyhow::Result<()> {
    if remote.json {
        output::line(&output::json("Connection", &connection)?)?;
        return Ok(());
    }
    let account = connection.account.unwrap_or_default();
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
    output::table(["CONNECTED", name], rows)?;
    Ok(())
}

/// Reads a secret from a file or standard input, without the line's end.
pub(crate) fn secret_from(file: &Path, argument: &str) -> anyhow::Result<String> {
    let mut text = match file == Path::new("-") {
        false => {
            fs::read_to_string(file).with_context(|| format!("{argument} {}", file.display()))?
        }
        true => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text)?;
            text
        }
    };
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    if text.is_empty() {
        bail!("{argument}: there is nothing in it");
    }
    Ok(text)
}

/// Reads `KEY=VALUE`.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("must be KEY=VALUE".to_owned()),
    }
}
