//! `tokend audit verify`.

use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args as ClapArgs;
use serde_json::json;
use tokend_server::{
    AuditFinding, AuditVerification, config::Config, verify_audit_database, verify_audit_files,
};

use crate::output;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The files of one replica, the oldest first [default: the one that the configuration names].
    files: Vec<PathBuf>,
    /// Check the trail in the database instead of files.
    #[arg(long, conflicts_with_all = ["files", "offline"])]
    database: bool,
    /// The workspace whose trail in the database is checked.
    #[arg(long, default_value = "default", requires = "database")]
    workspace: String,
    /// Do not ask the database how far the files have to go: an end that was cut off is not noticed then.
    #[arg(long)]
    offline: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A trail is not as it was written.
#[derive(Debug, thiserror::Error)]
#[error("the audit trail is not as it was written: {0} finding{plural}", plural = if *.0 == 1 { "" } else { "s" })]
pub(crate) struct NotAsWritten(usize);

pub(crate) async fn run(config: Option<&Path>, args: Args) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    let verification = if args.database {
        verify_audit_database(&config, &args.workspace).await?
    } else {
        let files = match args.files.is_empty() {
            true => vec![config.audit.file.clone()],
            false => args.files,
        };
        verify_audit_files(&config, &files, !args.offline).await?
    };
    match args.json {
        true => output::line(&json_of(&verification).to_string())?,
        false => tell(&verification)?,
    }
    match verification.findings.len() {
        0 => Ok(()),
        count => Err(NotAsWritten(count).into()),
    }
}

fn tell(verification: &AuditVerification) -> anyhow::Result<()> {
    output::line(&format!(
        "{} records are as they were written",
        verification.records
    ))?;
    for (name, mark) in [("first", verification.first), ("last", verification.last)] {
        if let Some((sequence, time)) = mark {
            output::line(&format!("{name}: {sequence}, {}", text(time)))?;
        }
    }
    for (kind, told) in [
        ("finding", &verification.findings),
        ("note", &verification.notes),
    ] {
        for AuditFinding { place, line, what } in told {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            output::line(&format!("{kind}: {place}{line}: {what}"))?;
        }
    }
    Ok(())
}

fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn json_of(verification: &AuditVerification) -> serde_json::Value {
    let told = |told: &[AuditFinding]| {
        let told = told.iter().map(
            |AuditFinding { place, line, what }| json!({ "place": place, "line": line, "what": what }),
        );
        told.collect::<Vec<_>>()
    };
    json!({
        "records": verification.records,
        "first": verification.first.map(|(sequence, time)| json!({ "sequence": sequence, "time": text(time) })),
        "last": verification.last.map(|(sequence, time)| json!({ "sequence": sequence, "time": text(time) })),
        "findings": told(&verification.findings),
        "notes": told(&verification.notes),
    })
}
