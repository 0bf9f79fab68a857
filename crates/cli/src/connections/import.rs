//! `tokend connections import`: many grants from another system, several on their way at once.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args as ClapArgs;
use serde_json::json;
use tokend_api::v1::{
    ImportConnectionRequest, ImportConnectionResponse, admin_service_client::AdminServiceClient,
};
use tokend_client::Authenticated;
use tokio::task::{JoinError, JoinSet, block_in_place};
use tonic::Code;

use super::import_line::ImportLines;
use crate::{
    output,
    remote::{Remote, answer},
};

/// So many are on their way at once.
const AT_ONCE: usize = 16;

#[derive(ClapArgs)]
#[command(after_help = "\
Each line is one JSON object with the fields of ImportConnectionRequest:
  {\"connectorId\": \"users-calendar\", \"appUserId\": \"ada\", \"refreshToken\": \"...\", \"scopes\": [\"...\"]}
Without an accessToken the refreshToken is redeemed at once. With \"verify\": true it is redeemed before it takes the place of what is
there. What is stored but could not be renewed yet is tried again by the server, and said to be stored. Stop the other system from renewing first: many providers take a refresh
token that two systems redeem for stolen.")]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
    /// The file, one JSON object a line; - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What became of the lines.
#[derive(Default)]
struct Tally {
    imported: Vec<(usize, String)>,
    failures: Vec<Failure>,
}

struct Failure {
    line: usize,
    error: anyhow::Error,
    /// The connection that is there all the same, and is tried again.
    stored: Option<String>,
}

type Imported = (usize, Result<String, tokend_client::Error>);

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let reader = open(&args.file)?;
    let admin = args.remote.client().await?.admin();
    let mut tally = import(reader, admin).await?;
    tally.failures.sort_by_key(|failure| failure.line);
    match args.remote.json {
        true => output::line(&tally.json())?,
        false => tally.print()?,
    }
    let summary = tally.summary();
    match tally.failures.into_iter().next() {
        None => {
            eprintln!("{summary}");
            Ok(())
        }
        Some(first) => {
            let line = first.line;
            Err(first
                .error
                .context(format!("{summary}; the first that failed, line {line}")))
        }
    }
}

fn open(file: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let opened = File::open(file).with_context(|| file.display().to_string())?;
    Ok(Box::new(BufReader::new(opened)))
}

/// Imports line after line; an error if the server takes none from us.
async fn import(
    reader: Box<dyn BufRead>,
    admin: AdminServiceClient<Authenticated>,
) -> anyhow::Result<Tally> {
    let form = ImportLines::new()?;
    let mut tally = Tally::default();
    let mut under_way = JoinSet::new();
    let mut number = 0;
    let mut lines = reader.lines();
    // Standard input may keep us waiting, while those under way go on.
    while let Some(line) = block_in_place(|| lines.next()) {
        number += 1;
        match line.map(|line| (line.trim().is_empty(), form.read(&line))) {
            Ok((true, _)) => {}
            Ok((false, Ok(request))) => {
                under_way.spawn(send(admin.clone(), number, request));
            }
            Ok((false, Err(invalid))) => tally.fail(number, invalid.into(), None),
            Err(error) => {
                tally.fail(number, error.into(), None);
                break;
            }
        }
        if under_way.len() >= AT_ONCE
            && let Some(done) = under_way.join_next().await
        {
            tally.count(done)?;
        }
    }
    while let Some(done) = under_way.join_next().await {
        tally.count(done)?;
    }
    Ok(tally)
}

async fn send(
    mut admin: AdminServiceClient<Authenticated>,
    line: usize,
    request: ImportConnectionRequest,
) -> Imported {
    let imported = answer(admin.import_connection(request).await);
    let id = |imported: ImportConnectionResponse| imported.connection.unwrap_or_default();
    (line, imported.map(|imported| id(imported).connection_id))
}

impl Tally {
    /// Counts one that is done. Who may not import need not try the rest.
    fn count(&mut self, done: Result<Imported, JoinError>) -> anyhow::Result<()> {
        match done? {
            (line, Ok(id)) => self.imported.push((line, id)),
            (_, Err(error))
                if matches!(error.code, Code::Unauthenticated | Code::PermissionDenied) =>
            {
                return Err(error.into());
            }
            (line, Err(error)) => {
                let stored = error.metadata.get("connectionId").cloned();
                self.fail(line, error.into(), stored);
            }
        }
        Ok(())
    }

    /// Tells of a line as soon as it failed: a long import may be stopped.
    fn fail(&mut self, line: usize, error: anyhow::Error, stored: Option<String>) {
        match &stored {
            Some(id) => eprintln!("line {line}: stored as {id}, which is tried again: {error}"),
            None => eprintln!("line {line}: {error}"),
        }
        self.failures.push(Failure {
            line,
            error,
            stored,
        });
    }

    /// What became of all lines, each in one of the figures.
    fn summary(&self) -> String {
        let (imported, failed) = (self.imported.len(), self.failures.len());
        let all = imported + failed;
        let stored = self.failures.iter();
        let stored = stored.filter(|failure| failure.stored.is_some()).count();
        let lost = failed - stored;
        format!(
            "of {all} lines, {imported} are imported, {stored} are stored but could not be renewed yet, {lost} failed"
        )
    }

    /// Each connection's id behind its line's number, by line.
    fn print(&self) -> io::Result<()> {
        let imported = self.imported.iter().map(|(line, id)| (*line, id));
        let stored = self.failures.iter();
        let stored = stored.filter_map(|failure| Some((failure.line, failure.stored.as_ref()?)));
        let lines: BTreeMap<_, _> = imported.chain(stored).collect();
        for (line, id) in lines {
            output::line(&format!("line {line}: {id}"))?;
        }
        Ok(())
    }

    fn json(&self) -> String {
        let failures: Vec<_> = self
            .failures
            .iter()
            .map(|failure| {
                let answered = failure.error.downcast_ref::<tokend_client::Error>();
                let reason = answered.and_then(|error| error.reason);
                json!({
                    "line": failure.line,
                    "reason": reason.map(|reason| reason.reason()).unwrap_or_default(),
                    "message": failure.error.to_string(),
                    "connectionId": failure.stored.as_deref().unwrap_or_default(),
                })
            })
            .collect();
        let imported: BTreeMap<_, _> = self.imported.iter().cloned().collect();
        let connections: Vec<_> = imported
            .iter()
            .map(|(line, id)| json!({ "line": line, "connectionId": id }))
            .collect();
        let told = json!({
            "imported": self.imported.len(),
            "connections": connections,
            "failures": failures,
        });
        format!("{told:#}")
    }
}
