//! `tokend connections import`: many grants from another system, several on their way at once.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args as ClapArgs;
use serde_json::json;
use tokend_api::v1::{ImportConnectionRequest, admin_service_client::AdminServiceClient};
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
Without an accessToken the refreshToken is redeemed at once. Stop the other system from renewing first: many providers take a refresh
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
    imported: usize,
    failures: Vec<Failure>,
}

struct Failure {
    line: usize,
    error: anyhow::Error,
}

type Imported = (usize, Result<(), tokend_client::Error>);

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let reader = open(&args.file)?;
    let admin = args.remote.client().await?.admin();
    let mut tally = import(reader, admin).await?;
    tally.failures.sort_by_key(|failure| failure.line);
    let failed = tally.failures.len();
    match args.remote.json {
        true => output::line(&tally.json())?,
        false => output::line(&format!("imported {}, failed {failed}", tally.imported))?,
    }
    match tally.failures.into_iter().next() {
        None => Ok(()),
        Some(first) => {
            let (line, all) = (first.line, tally.imported + failed);
            let summary = format!("{failed} of {all} were not imported; the first, line {line}");
            Err(first.error.context(summary))
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
            Ok((false, Err(invalid))) => tally.fail(number, invalid.into()),
            Err(error) => {
                tally.fail(number, error.into());
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
    (line, imported.map(|_| ()))
}

impl Tally {
    /// Counts one that is done. Who may not import need not try the rest.
    fn count(&mut self, done: Result<Imported, JoinError>) -> anyhow::Result<()> {
        match done? {
            (_, Ok(())) => self.imported += 1,
            (_, Err(error))
                if matches!(error.code, Code::Unauthenticated | Code::PermissionDenied) =>
            {
                return Err(error.into());
            }
            (line, Err(error)) => self.fail(line, error.into()),
        }
        Ok(())
    }

    /// Tells of a line as soon as it failed: a long import may be stopped.
    fn fail(&mut self, line: usize, error: anyhow::Error) {
        eprintln!("line {line}: {error}");
        self.failures.push(Failure { line, error });
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
                })
            })
            .collect();
        format!(
            "{:#}",
            json!({ "imported": self.imported, "failures": failures })
        )
    }
}
