//! `tokend connectors`: what is available, and pushing connectors kept in files.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use tokend_api::v1::{self, admin_service_client::AdminServiceClient};
use tokend_client::Authenticated;
use tonic::Code;
use tonic_types::StatusExt;

use crate::{
    connector_file::{ConnectorFolder, read_folder},
    output,
    remote::{Remote, answer},
};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the integration types that connectors can be made for.
    ListAvailable(ListAvailable),
    /// Make the server's connectors what a folder of files says: one {type}.jsonc each, {type}.toml for types of
    /// one's own. All or nothing.
    Push(Push),
}

#[derive(Args)]
pub(crate) struct ListAvailable {
    #[command(flatten)]
    remote: Remote,
    /// Only those of this category.
    #[arg(long)]
    category: Option<String>,
    /// Also those that work but are not offered.
    #[arg(long)]
    all: bool,
}

#[derive(Args)]
pub(crate) struct Push {
    #[command(flatten)]
    remote: Remote,
    /// The folder with the files.
    #[arg(default_value = "connectors")]
    folder: PathBuf,
    /// Only say what would change.
    #[arg(long)]
    dry_run: bool,
    /// Delete connectors that no file names. Refused while they have connections.
    #[arg(long)]
    prune: bool,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::ListAvailable(args) => list_available(args).await,
        Command::Push(args) => push(args).await,
    }
}

async fn list_available(args: ListAvailable) -> anyhow::Result<()> {
    let mut admin = args.remote.client().await?.admin();
    let mut all = v1::ListIntegrationTypesResponse::default();
    loop {
        let request = v1::ListIntegrationTypesRequest {
            category: args.category.clone().unwrap_or_default(),
            include_unlisted: args.all,
            page_size: 1000,
            page_token: all.next_page_token.clone(),
        };
        let page = answer(admin.list_integration_types(request).await)?;
        all.integration_types.extend(page.integration_types);
        all.next_page_token = page.next_page_token;
        if all.next_page_token.is_empty() {
            break;
        }
    }
    if args.remote.json {
        output::line(&output::json("ListIntegrationTypesResponse", &all)?)?;
        return Ok(());
    }
    let rows = all.integration_types.into_iter().map(|row| {
        [
            row.integration_type,
            row.display_name,
            row.category,
            row.description,
        ]
    });
    output::table(["TYPE", "NAME", "CATEGORY", "DESCRIPTION"], rows)?;
    Ok(())
}

async fn push(args: Push) -> anyhow::Result<()> {
    let folder = read_folder(&args.folder)?;
    let mut admin = args.remote.client().await?.admin();
    let request = v1::ApplyConnectorsRequest {
        connectors: folder
            .files
            .iter()
            .map(|file| file.connector.clone())
            .collect(),
        integration_types: folder.integration_types.clone(),
        dry_run: args.dry_run,
        prune: args.prune,
    };
    let applied = match answer(admin.apply_connectors(request).await) {
        Ok(applied) => applied,
        Err(error) => return Err(blame(&mut admin, folder, error).await),
    };
    if args.remote.json {
        output::line(&output::json("ApplyConnectorsResponse", &applied)?)?;
        return Ok(());
    }
    let rows = applied.changes.iter().map(|change| {
        let connector = change.connector.clone().unwrap_or_default();
        [
            action(change.action()).to_owned(),
            connector.connector_id,
            connector.integration_type,
            change.changed_fields.join(", "),
            connector.redirect_uri,
        ]
    });
    output::table(
        [
            "ACTION",
            "CONNECTOR",
            "TYPE",
            "CHANGED",
            "REDIRECT URI TO REGISTER",
        ],
        rows,
    )?;
    for change in applied
        .changes
        .iter()
        .filter(|change| change.connections_needing_consent > 0)
    {
        let id = change
            .connector
            .as_ref()
            .map(|connector| connector.connector_id.as_str());
        eprintln!(
            "{}: {} connection(s) will need their users' consent again.",
            id.unwrap_or_default(),
            change.connections_needing_consent
        );
    }
    if !applied.applied {
        eprintln!("Nothing was changed: this was a dry run.");
        return Ok(());
    }
    for change in applied
        .changes
        .iter()
        .filter(|change| change.action() == v1::PlannedAction::Create)
    {
        let connector = change.connector.clone().unwrap_or_default();
        if connector.kind() == v1::ConnectorKind::Shared {
            eprintln!(
                "Connect its account with: tokend connect {}",
                connector.integration_type
            );
        }
    }
    Ok(())
}

/// Finds the file that the server does not take, by asking about each alone; the whole push's error where there is none.
async fn blame(
    admin: &mut AdminServiceClient<Authenticated>,
    folder: ConnectorFolder,
    error: tokend_client::Error,
) -> anyhow::Error {
    if !matches!(error.code, Code::InvalidArgument | Code::NotFound) {
        return error.into();
    }
    let alone = |connectors| v1::ApplyConnectorsRequest {
        connectors,
        integration_types: folder.integration_types.clone(),
        dry_run: true,
        prune: false,
    };
    // The types of one's own come first: their errors name their file already.
    if admin.apply_connectors(alone(Vec::new())).await.is_err() {
        return error.into();
    }
    for file in &folder.files {
        let request = alone(vec![file.connector.clone()]);
        if let Err(status) = admin.apply_connectors(request).await {
            let details = status.get_error_details();
            let violation = details
                .bad_request()
                .and_then(|bad| bad.field_violations.first());
            let field = violation.map_or("integration_type", |violation| &violation.field);
            return file.refused(field, status.message().to_owned()).into();
        }
    }
    error.into()
}

fn action(action: v1::PlannedAction) -> &'static str {
    match action {
        v1::PlannedAction::Create => "create",
        v1::PlannedAction::Update => "update",
        v1::PlannedAction::Unchanged => "unchanged",
        v1::PlannedAction::Delete => "delete",
        v1::PlannedAction::Unspecified => "?",
    }
}
