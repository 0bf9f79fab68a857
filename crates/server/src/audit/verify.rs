//! Checking a trail: every record's hash, that none is missing, added or moved, and that the end is there.

mod walk;

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokend_model::{
    Timestamp, WorkspaceName,
    ports::{AuditFilter, AuditTrail, StorageError},
};

use self::walk::Walk;
use super::record::{Record, Sealer};
use crate::{
    StartError,
    config::Config,
    wire_up::{open_storage, read_keyring},
};

const PAGE: u64 = 1000;
/// No line of ours is longer; the rest of one that is, is not kept in memory.
const LONGEST_LINE: u64 = 1 << 20;

/// What checking a trail came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditVerification {
    /// How many records are what they were when they were written.
    pub records: u64,
    /// Sequence and time of the first of them.
    pub first: Option<(i64, Timestamp)>,
    /// Sequence and time of the last of them.
    pub last: Option<(i64, Timestamp)>,
    /// What is wrong; none if the trail is as it was written.
    pub findings: Vec<AuditFinding>,
    /// What is worth knowing and not wrong.
    pub notes: Vec<AuditFinding>,
}

/// Something about a place in a trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFinding {
    /// The file, or the workspace's chain.
    pub place: String,
    /// The line's number, from 1; in a database the record's sequence. Absent: about the place as a whole.
    pub line: Option<i64>,
    /// What it is.
    pub what: String,
}

/// Checks files of one replica, in the order in which they were written. With `anchors`, also that they go as far as
/// the database knows them to.
pub async fn verify_audit_files(
    config: &Config,
    files: &[PathBuf],
    anchors: bool,
) -> Result<AuditVerification, StartError> {
    let sealer = sealer(config)?;
    let unreadable = |path: &PathBuf, source: io::Error| StartError::AuditFile {
        file: path.clone(),
        source: source.into(),
    };
    let mut known = Vec::new();
    if anchors {
        let storage = open_storage(config).await?;
        for path in files {
            let Some(stream) = stream_of(path).map_err(|error| unreadable(path, error))? else {
                continue;
            };
            let anchor = storage.anchor_of(&stream).await;
            known.extend(anchor.map_err(|_| StartError::Storage)?);
        }
    }
    let mut walk = Walk::new(&sealer, known);
    for path in files {
        read(&mut walk, path).map_err(|error| unreadable(path, error))?;
    }
    Ok(walk.end())
}

/// Checks a workspace's chain in the database.
pub async fn verify_audit_database(
    config: &Config,
    workspace: &str,
) -> Result<AuditVerification, StartError> {
    let workspace = WorkspaceName::new(workspace)
        .map_err(|invalid| StartError::Workspace(invalid.to_string()))?;
    let sealer = sealer(config)?;
    let storage = open_storage(config).await?;
    verify_chain(&storage, &sealer, &workspace)
        .await
        .map_err(|_| StartError::Storage)
}

/// The same, with what is opened already.
pub(super) async fn verify_chain(
    trail: &dyn AuditTrail,
    sealer: &Sealer,
    workspace: &WorkspaceName,
) -> Result<AuditVerification, StorageError> {
    // Asked first: what is appended meanwhile is behind it.
    let head = trail.next_place(workspace).await?;
    let mut walk = Walk::new(sealer, Vec::new());
    walk.begin_database(&head.stream);
    let filter = AuditFilter {
        oldest_first: true,
        ..AuditFilter::default()
    };
    let mut after = None;
    loop {
        let page = trail.list(workspace, &filter, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.sequence);
        for record in &page {
            walk.record(record.sequence, record.line.as_bytes());
        }
    }
    walk.end_database(&head);
    Ok(walk.end())
}

fn sealer(config: &Config) -> Result<Sealer, StartError> {
    let keyring = Arc::new(read_keyring(config)?);
    Sealer::new(keyring).ok_or(StartError::AuditKey)
}

/// The chain that a file says it is part of.
fn stream_of(path: &Path) -> io::Result<Option<String>> {
    let mut lines = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if io::Read::take(&mut lines, LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if let Ok(record) = serde_json::from_slice::<Record<'_>>(&line) {
            return Ok(Some(record.stream.into_owned()));
        }
    }
}

fn read(walk: &mut Walk<'_>, path: &Path) -> io::Result<()> {
    let mut lines = BufReader::new(File::open(path)?);
    walk.begin_file(&path.display().to_string());
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let length = io::Read::take(&mut lines, LONGEST_LINE).read_until(b'\n', &mut line)?;
        if length == 0 {
            break;
        }
        match line.strip_suffix(b"\n") {
            Some(whole) => walk.record(number, whole),
            None => {
                walk.torn(number);
                lines.skip_until(b'\n')?;
            }
        }
    }
    walk.end_file();
    Ok(())
}
