//! What is remembered of a database outside it, in a file.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};
use tokend_model::ports::Deployment;

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
        let beside = file.with_extension(format!("{}.new", std::process::id()));
        fs::write(&beside, text)
            .and_then(|()| fs::rename(&beside, file))
            .map_err(|error| wrong(file, &error))
    }
}

fn wrong(file: &Path, why: &dyn std::fmt::Display) -> DeploymentFileError {
    DeploymentFileError {
        file: file.display().to_string(),
        why: why.to_string(),
    }
}
