//! What becomes of each file of a folder that is pulled into.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use tokend_api::v1;

use crate::{
    connector_file::{ConnectorFile, ConnectorFolder, InvalidFiles, InvalidLine, edited, written},
    connectors::Stored,
};

/// A file, and what becomes of it.
pub(super) struct PulledFile {
    pub(super) path: PathBuf,
    pub(super) outcome: Outcome,
    /// The connector's id, or the integration type.
    pub(super) describes: String,
}

/// What becomes of a file.
pub(super) enum Outcome {
    /// It is new, with this text.
    New(String),
    /// It stands and gets this text.
    Edited(String),
    /// It stands as it should.
    Unchanged,
    /// What it describes is not on the server.
    Gone,
}

impl PulledFile {
    /// What was done.
    pub(super) fn word(&self, prune: bool) -> &'static str {
        match self.outcome {
            Outcome::New(_) => "new",
            Outcome::Edited(_) => "edited",
            Outcome::Unchanged => "unchanged",
            Outcome::Gone if prune => "removed",
            Outcome::Gone => "gone",
        }
    }

    /// Writes the file as a whole or not at all, or removes it.
    pub(super) fn carry_out(&self, prune: bool) -> anyhow::Result<()> {
        let done = match &self.outcome {
            Outcome::New(text) | Outcome::Edited(text) => replace(&self.path, text),
            Outcome::Gone if prune => fs::remove_file(&self.path),
            Outcome::Unchanged | Outcome::Gone => Ok(()),
        };
        done.with_context(|| self.path.display().to_string())
    }
}

/// What becomes of each file in the folder, and of those that it lacks.
pub(super) fn pulled(
    path: &Path,
    folder: ConnectorFolder,
    stored: &Stored,
) -> Result<Vec<PulledFile>, InvalidFiles> {
    let mut taken: BTreeSet<PathBuf> = folder.files.iter().map(|file| file.file.clone()).collect();
    let (mut standing, mut errors) = (BTreeMap::new(), Vec::new());
    for mut file in folder.files {
        // The server says a type's own name, the file perhaps another that it answers to.
        let own = stored.canonical(&file.connector.integration_type);
        file.connector.integration_type = own.to_owned();
        let id = file.connector_id().to_owned();
        let other = standing
            .get(&id)
            .map(|other: &ConnectorFile| other.file.display().to_string());
        match other {
            Some(other) => {
                let why = format!("describes connector '{id}', as {other} does");
                errors.push(InvalidLine::of(&file.file, why));
            }
            None => {
                standing.insert(id, file);
            }
        }
    }
    let mut pulled = Vec::new();
    for connector in &stored.connectors {
        let describes = connector.connector_id.clone();
        let (path, outcome) = match standing.remove(&describes) {
            Some(file) => match edited(&file, connector) {
                Ok(text) if text == file.text => (file.file, Outcome::Unchanged),
                Ok(text) => (file.file, Outcome::Edited(text)),
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            },
            None => {
                let (path, stem) = new_path(path, connector, &taken);
                (path, Outcome::New(written(connector, &stem)))
            }
        };
        taken.insert(path.clone());
        pulled.push(PulledFile {
            path,
            outcome,
            describes,
        });
    }
    InvalidFiles::check(errors)?;
    pulled.extend(standing.into_iter().map(|(describes, file)| PulledFile {
        path: file.file,
        outcome: Outcome::Gone,
        describes,
    }));
    let standing = folder.types.into_iter().map(|file| {
        let describes = file.definition.integration_type.clone();
        let outcome = match stored.definitions.get(&describes) {
            Some(toml) if file.says(toml) => Outcome::Unchanged,
            Some(toml) => Outcome::Edited(toml.clone()),
            None => Outcome::Gone,
        };
        PulledFile {
            path: file.file,
            outcome,
            describes,
        }
    });
    let mut types: Vec<_> = standing.collect();
    for (name, toml) in &stored.definitions {
        if types.iter().all(|file| file.describes != *name) {
            types.push(PulledFile {
                path: path.join(format!("{name}.toml")),
                outcome: Outcome::New(toml.clone()),
                describes: name.clone(),
            });
        }
    }
    pulled.extend(types);
    pulled.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(pulled)
}

/// The new file of a connector, and its stem: the integration type's name for a shared one, its id for others. A
/// name that is taken by another gets the kind.
fn new_path(
    folder: &Path,
    connector: &v1::Connector,
    taken: &BTreeSet<PathBuf>,
) -> (PathBuf, String) {
    let (stem, kind) = match connector.kind() {
        v1::ConnectorKind::AppUser => (&connector.connector_id, "app_user"),
        _ => (&connector.integration_type, "shared"),
    };
    let file = |stem: &str| folder.join(format!("{stem}.jsonc"));
    if taken.contains(&file(stem)) || taken.contains(&folder.join(format!("{stem}.json"))) {
        let stem = format!("{}.{kind}", connector.connector_id);
        return (file(&stem), stem);
    }
    (file(stem), stem.clone())
}

/// Writes beside the file, then puts it in its place: whoever reads it sees the old or the new text.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // What a link leads to is replaced, not the link.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".pulled-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&path).map_or(0o666, |standing| standing.permissions().mode());
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    let new = builder.tempfile_in(folder)?;
    fs::write(new.path(), text)?;
    new.as_file().sync_all()?;
    new.persist(&path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector(id: &str, integration_type: &str, kind: v1::ConnectorKind) -> v1::Connector {
        v1::Connector {
            connector_id: id.to_owned(),
            integration_type: integration_type.to_owned(),
            kind: kind.into(),
            client_id: "a".to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn two_connectors_never_share_a_file() {
        let stored = Stored {
            connectors: vec![
                connector("main", "slack", v1::ConnectorKind::Shared),
                connector("slack", "github", v1::ConnectorKind::AppUser),
            ],
            integration_types: Vec::new(),
            definitions: BTreeMap::new(),
        };
        let files = pulled(Path::new("c"), ConnectorFolder::default(), &stored).unwrap();
        let names: Vec<_> = files
            .iter()
            .map(|file| file.path.display().to_string())
            .collect();
        assert_eq!(names, ["c/slack.app_user.jsonc", "c/slack.jsonc"]);
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper/slack.jsonc");
        replace(&path, "one").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            replace(&path, "two").unwrap();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o640);
        }
        replace(&path, "three").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        let left = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "a temporary file is left");
    }
}
