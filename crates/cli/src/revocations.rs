//! `tokend revoke-all` and `tokend revocations`: revoking all connections of an integration type or connector.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use anyhow::bail;
use clap::{Args as ClapArgs, Subcommand};
use tokend_api::v1::{self, BulkRevocationState, ConnectionStatus};
use tokend_client::Client;
use tonic::Code;

use crate::{
    connectors::{NotConfirmed, confirm},
    output,
    remote::{Remote, answer},
};

/// How often it is looked how far a job is.
const LOOK: Duration = Duration::from_secs(1);

/// After so many looks a line is written where there is no terminal to write it anew on.
const LOOKS_A_LINE: u32 = 10;

const UNREVOKED: [ConnectionStatus; 3] = [
    ConnectionStatus::Authorized,
    ConnectionStatus::Expired,
    ConnectionStatus::Error,
];

#[derive(ClapArgs)]
pub(crate) struct RevokeAllArgs {
    #[command(flatten)]
    remote: Remote,
    /// The integration type whose connections are revoked, here and at the provider.
    #[arg(value_name = "TYPE")]
    integration_type: String,
    /// Only those under this connector.
    #[arg(long, value_name = "ID")]
    connector: Option<String>,
    /// Why, for other operators.
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
    /// Wait until it is over, and show how far it is.
    #[arg(long)]
    wait: bool,
    /// Do not ask: it cannot be undone.
    #[arg(long)]
    yes: bool,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List bulk revocations, the newest first.
    List(ListArgs),
    /// Show how far one is.
    Show(OneArgs),
    /// Stop one; what it has revoked stays so.
    Cancel(OneArgs),
}

#[derive(ClapArgs)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    remote: Remote,
}

#[derive(ClapArgs)]
pub(crate) struct OneArgs {
    #[command(flatten)]
    remote: Remote,
    /// The bulk revocation, as `tokend revocations list` shows it.
    #[arg(value_name = "ID")]
    id: String,
}

/// `tokend revoke-all`.
pub(crate) async fn revoke_all(args: RevokeAllArgs) -> anyhow::Result<()> {
    let client = args.remote.client().await?;
    if !args.yes {
        confirmed(&args, &client).await?;
    }
    let mut admin = client.admin();
    let request = v1::StartBulkRevocationRequest {
        integration_type: args.integration_type,
        connector_id: args.connector.unwrap_or_default(),
        comment: args.comment,
    };
    let started = answer(admin.start_bulk_revocation(request).await)?;
    let mut job = started.bulk_revocation.unwrap_or_default();
    let mut looks = 0_u32;
    while args.wait && is_under_way(&job) {
        show_progress(&job, looks);
        looks = looks.wrapping_add(1);
        tokio::time::sleep(LOOK).await;
        let get = v1::GetBulkRevocationRequest {
            bulk_revocation_id: job.bulk_revocation_id.clone(),
        };
        let found = answer(admin.get_bulk_revocation(get).await)?;
        job = found.bulk_revocation.unwrap_or_default();
    }
    if looks > 0 && stderr().is_terminal() {
        eprintln!();
    }
    print("BulkRevocation", &job, args.remote.json)?;
    if args.wait && job.state() == BulkRevocationState::Cancelled {
        bail!("the bulk revocation was cancelled before all was revoked");
    }
    Ok(())
}

/// `tokend revocations`.
pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(args) => list(args).await,
        Command::Show(args) => {
            let get = v1::GetBulkRevocationRequest {
                bulk_revocation_id: args.id,
            };
            let mut admin = args.remote.client().await?.admin();
            let found = answer(admin.get_bulk_revocation(get).await)?;
            let job = found.bulk_revocation.unwrap_or_default();
            print("BulkRevocation", &job, args.remote.json)
        }
        Command::Cancel(args) => {
            let cancel = v1::CancelBulkRevocationRequest {
                bulk_revocation_id: args.id,
            };
            let mut admin = args.remote.client().await?.admin();
            let cancelled = answer(admin.cancel_bulk_revocation(cancel).await)?;
            let job = cancelled.bulk_revocation.unwrap_or_default();
            print("BulkRevocation", &job, args.remote.json)
        }
    }
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let request = v1::ListBulkRevocationsRequest {};
    let listed = answer(admin.list_bulk_revocations(request).await)?;
    if args.remote.json {
        output::line(&output::json("ListBulkRevocationsResponse", &listed)?)?;
        return Ok(());
    }
    let rows = listed.bulk_revocations.iter().map(|job| {
        [
            job.bulk_revocation_id.clone(),
            job.integration_type.clone(),
            job.connector_id.clone(),
            state(job),
            figures(job),
            job.started_by.clone(),
            job.create_time
                .map(|time| time.to_string())
                .unwrap_or_default(),
            job.comment.clone(),
        ]
    });
    let header = [
        "REVOCATION",
        "TYPE",
        "CONNECTOR",
        "STATE",
        "REVOKED",
        "BY",
        "SINCE",
        "COMMENT",
    ];
    output::table_without_empty(header, rows, &["CONNECTOR", "COMMENT"])?;
    Ok(())
}

/// Asks, where there is somebody to ask.
async fn confirmed(args: &RevokeAllArgs, client: &Client) -> anyhow::Result<()> {
    let which = match &args.connector {
        Some(id) => format!("under connector '{id}'"),
        None => format!("of integration type '{}'", args.integration_type),
    };
    let all = match count(args, client).await {
        Ok(1) => "the 1 connection".to_owned(),
        Ok(count) => format!("all {count} connections"),
        // Who may revoke need not be one who may see what there is.
        Err(error) if error.code == Code::PermissionDenied => "all connections".to_owned(),
        Err(error) => return Err(error.into()),
    };
    if args.remote.json || !confirm::on_terminal() {
        let what = format!("{all} {which} would be revoked");
        return Err(NotConfirmed::NobodyToAskWhether(what).into());
    }
    let question = format!(
        "Revoke {all} {which}? Each account has to be connected again after that; this cannot be undone."
    );
    match confirm::ask(&question, false)? {
        true => Ok(()),
        false => Err(NotConfirmed::Declined.into()),
    }
}

/// How many connections there are that are not revoked yet.
async fn count(args: &RevokeAllArgs, client: &Client) -> Result<usize, tokend_client::Error> {
    let mut admin = client.admin();
    let mut request = v1::ListConnectionsRequest {
        integration_type: args.integration_type.clone(),
        connector_id: args.connector.clone().unwrap_or_default(),
        statuses: UNREVOKED.map(Into::into).to_vec(),
        page_size: 1000,
        ..Default::default()
    };
    let mut count = 0;
    loop {
        let page = answer(admin.list_connections(request.clone()).await)?;
        count += page.connections.len();
        if page.next_page_token.is_empty() {
            return Ok(count);
        }
        request.page_token = page.next_page_token;
    }
}

fn is_under_way(job: &v1::BulkRevocation) -> bool {
    matches!(
        job.state(),
        BulkRevocationState::Queued | BulkRevocationState::Running
    )
}

fn show_progress(job: &v1::BulkRevocation, looks: u32) {
    let line = format!("{} {}", state(job), figures(job));
    match stderr().is_terminal() {
        // Over the line before.
        true => eprint!("\r\x1b[2K{line}"),
        false if looks.is_multiple_of(LOOKS_A_LINE) => eprintln!("{line}"),
        false => {}
    }
}

fn print(name: &str, job: &v1::BulkRevocation, json: bool) -> anyhow::Result<()> {
    if json {
        output::line(&output::json(name, job)?)?;
        return Ok(());
    }
    let id = &job.bulk_revocation_id;
    output::line(&format!("{id}: {}, {}", state(job), figures(job)))?;
    if job.provider_failed_count > 0 {
        eprintln!(
            "{} of them are revoked here only: the provider could not be told, and its log lines say why",
            job.provider_failed_count
        );
    }
    Ok(())
}

/// Its state, and what keeps it from going on.
fn state(job: &v1::BulkRevocation) -> String {
    let name = job.state().as_str_name();
    let name = name.replace("BULK_REVOCATION_STATE_", "").to_lowercase();
    match job.obstacle.as_str() {
        "" => name,
        obstacle => format!("{name} ({obstacle})"),
    }
}

fn figures(job: &v1::BulkRevocation) -> String {
    format!("{} of {} revoked", job.revoked_count, job.total_count)
}
