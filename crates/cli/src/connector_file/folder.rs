//! A folder of connector files and of the integration types they use.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tokend_api::v1;

use super::{
    ConnectorFile, InvalidLine, TypeFile,
    read::{read, stem},
};

/// What a folder holds, by the files' names.
#[derive(Default)]
pub(crate) struct ConnectorFolder {
    pub(crate) files: Vec<ConnectorFile>,
    pub(crate) types: Vec<TypeFile>,
    /// What is wrong in files; those that are wrong are not among the others.
    pub(crate) errors: Vec<InvalidLine>,
}

impl ConnectorFolder {
    /// Whether it holds nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.types.is_empty() && self.errors.is_empty()
    }

    /// The integration types of one's own.
    pub(crate) fn definitions(&self) -> Vec<v1::IntegrationTypeDefinition> {
        let definitions = self.types.iter().map(|file| &file.definition);
        definitions.cloned().collect()
    }

    /// Reads the secrets that the files name; files whose secrets cannot be read become errors.
    pub(crate) fn read_secrets(&mut self) {
        let files = std::mem::take(&mut self.files);
        for mut file in files {
            let errors = file.read_secrets();
            match errors.is_empty() {
                true => self.files.push(file),
                false => self.errors.extend(errors),
            }
        }
    }
}

/// Reads all `*.jsonc`, `*.json` (connectors) and `*.toml` (integration types of one's own) in a folder, by name. A
/// `*.schema.json` is an editor's.
pub(crate) fn read_folder(folder: &Path) -> Result<ConnectorFolder, InvalidLine> {
    let entries = fs::read_dir(folder).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => {
                "there is no such folder here; make it, with one {type}.jsonc for each connector, or name another: \
                 tokend connectors push FOLDER"
                    .to_owned()
            }
            _ => error.to_string(),
        };
        InvalidLine::of(folder, why)
    })?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| InvalidLine::of(folder, error.to_string()))?
            .path();
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    let mut read = ConnectorFolder::default();
    for path in paths {
        read.take(path);
    }
    Ok(read)
}

impl ConnectorFolder {
    fn take(&mut self, path: PathBuf) {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_type = match extension {
            Some("jsonc" | "json") if !path.to_string_lossy().ends_with(".schema.json") => false,
            Some("toml") => true,
            _ => return,
        };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                self.errors.push(InvalidLine::of(&path, error.to_string()));
                return;
            }
        };
        if is_type {
            let definition = v1::IntegrationTypeDefinition {
                integration_type: stem(&path),
                toml: text,
            };
            self.types.push(TypeFile {
                definition,
                file: path,
            });
            return;
        }
        let (file, mut errors) = read(&path, &text);
        match file {
            Some(file) if errors.is_empty() => self.files.push(file),
            // What its secrets lack is told with the rest.
            Some(mut file) => {
                errors.extend(file.read_secrets());
                self.errors.extend(errors);
            }
            None => self.errors.extend(errors),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap().path().join("connectors");
        let error = read_folder(&folder).err().unwrap().to_string();
        assert!(error.starts_with(&folder.display().to_string()), "{error}");
        assert!(error.contains("push FOLDER"), "{error}");
    }

    #[test]
    fn every_file_s_errors_are_told_and_a_schema_is_none_of_them() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("connector.schema.json", "[]"),
            ("good.jsonc", "{\"clientId\": \"a\"}"),
            ("mine.toml", "[about]"),
            ("one.jsonc", "{\"clientId\": 1, \"scopes\": 1}"),
            ("two.json", "{"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let read = read_folder(folder.path()).unwrap();
        assert_eq!((read.files.len(), read.types.len()), (1, 1));
        assert_eq!(read.errors.len(), 3, "{:?}", read.errors);
    }
}
