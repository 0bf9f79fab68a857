//! What is remembered of a database outside it, in a file.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};
use tokend_model::ports::Deployment;
use uuid::Uuid;

/// What was last seen of a database that was ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeploymentRecord {
    pub(crate) id: String,
    pub(crate) adoptions: i64,
    pub(crate) pulse: i64,
}

/// The file that names the deployment cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("deployment.file {file}: {why}")]
pub struct DeploymentFileError {
    file: String,
    why: String,
}

impl DeploymentRecord {
    pub(crate) fn of(deployment: &Deployment) -> Self {
        Self {
            id: deployment.id.clone(),
            adoptions: deployment.adoptions,
            pulse: deployment.pulse,
        }
    }

    /// Reads it; `None` where there is none, or no file is configured.
    pub(crate) fn read(file: &Path) -> Result<Option<Self>, DeploymentFileError> {
        if file.as_os_str().is_empty() {
            return Ok(None);
        }
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(file, &error)),
        };
        let record = toml::from_str(&text).map_err(|error| wrong(file, &error.message()))?;
        Ok(Some(record))
    }

    /// Writes it whole or not at all. Replicas that share the file all write the truth; the last one counts.
    pub(crate) fn write(&self, file: &Path) -> Result<(), DeploymentFileError> {
        if file.as_os_str().is_empty() {
            return Ok(());
        }
        let text = toml::to_string(self).map_err(|error| wrong(file, &error))?;
        let text = format!(
            "# Written by tokend: whose the database is, and how far it had come. Keep it apart from backups.\n{text}"
        );
        replace(file, text.as_bytes()).map_err(|error| wrong(file, &error))
    }

    /// Writes it beside what else there is to do: a disk may be slow.
    pub(crate) async fn remember(&self, file: &Path) -> Result<(), DeploymentFileError> {
        let (record, place) = (self.clone(), file.to_owned());
        tokio::task::spawn_blocking(move || record.write(&place))
            .await
            .unwrap_or_else(|error| Err(wrong(file, &error)))
    }

    pub(crate) fn shows(&self) -> Deployment {
        Deployment {
            id: self.id.clone(),
            adoptions: self.adoptions,
            pulse: self.pulse,
        }
    }
}

/// What is on the disk is the old content or the new, whoever else writes and whenever the power goes.
fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let beside = file.with_extension(format!("{}.new", Uuid::now_v7()));
    let written = File::create_new(&beside).and_then(|mut new| {
        new.write_all(content)?;
        new.sync_all()?;
        fs::rename(&beside, file)
    });
    if written.is_err() {
        // It may never have been there.
        let _ = fs::remove_file(&beside);
        return written;
    }
    #[cfg(unix)]
    {
        let folder = file.parent().filter(|folder| *folder != Path::new(""));
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

fn wrong(file: &Path, why: &dyn std::fmt::Display) -> DeploymentFileError {
    DeploymentFileError {
        file: file.display().to_string(),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn record(pulse: i64) -> DeploymentRecord {
        DeploymentRecord {
            id: "ours".to_owned(),
            adoptions: 1,
            pulse,
        }
    }

    #[test]
    fn what_was_written_is_read_and_nothing_stays_beside_it() -> Outcome {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("deployment");
        assert_eq!(DeploymentRecord::read(&file)?, None);
        for pulse in [1, 2] {
            record(pulse).write(&file)?;
            assert_eq!(DeploymentRecord::read(&file)?, Some(record(pulse)));
        }
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }

    #[test]
    fn writers_who_share_the_file_and_their_process_number_do_not_meet() -> Outcome {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("deployment");
        record(0).write(&file)?;
        thread::scope(|scope| {
            let writers: Vec<_> = (1..5)
                .map(|writer| {
                    let file = &file;
                    scope.spawn(move || (0..50).try_for_each(|_| record(writer).write(file)))
                })
                .collect();
            while writers.iter().any(|writer| !writer.is_finished()) {
                assert!(matches!(DeploymentRecord::read(&file), Ok(Some(_))));
            }
            for writer in writers {
                assert!(matches!(writer.join(), Ok(Ok(()))));
            }
        });
        Ok(())
    }
}
