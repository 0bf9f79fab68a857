//! The files that policies are written in: one, or those of a directory, as a ConfigMap is mounted.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use ring::digest::{self, SHA256};

use super::problem::{InvalidPolicies, PolicyProblem};

/// What policies end with in a directory.
const EXTENSION: &str = "cedar";

/// Longer files are not read: nobody could.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A file of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    /// Its name, without directories.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// Reads the file, or all files of the directory that end in `.cedar`, by name. Names that begin with a dot are not
/// looked at: Kubernetes keeps the versions of a mounted ConfigMap in such directories, and links to them.
pub(super) fn read(path: &Path) -> Result<Vec<PolicyFile>, InvalidPolicies> {
    if !path.is_dir() {
        return Ok(vec![read_file(path)?]);
    }
    let mut paths = list(path).map_err(|error| problem(path, &error.to_string()))?;
    paths.sort();
    if paths.is_empty() {
        return Err(problem(
            path,
            "the directory holds no *.cedar file, so nobody could do anything",
        ));
    }
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        match read_file(&path) {
            Ok(file) => files.push(file),
            Err(invalid) => problems.extend(invalid.problems),
        }
    }
    if problems.is_empty() {
        Ok(files)
    } else {
        Err(InvalidPolicies { problems })
    }
}

/// Tells these files from others, in hexadecimal: two sets are one if and only if this is the same.
pub(super) fn revision(files: &[PolicyFile]) -> String {
    let mut digest = digest::Context::new(&SHA256);
    for part in files.iter().flat_map(|file| [&file.name, &file.text]) {
        digest.update(&(part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    }
    let digest = digest.finish();
    let bytes = digest.as_ref().iter().take(8);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with('.') && path.extension() == Some(OsStr::new(EXTENSION)) {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn read_file(path: &Path) -> Result<PolicyFile, InvalidPolicies> {
    let unreadable = |error: io::Error| problem(path, &error.to_string());
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length > MAX_FILE_BYTES {
        return Err(problem(
            path,
            "the file is longer than 1 MiB; write fewer policies that look at attributes",
        ));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(PolicyFile {
        name: name.into_owned(),
        text: fs::read_to_string(path).map_err(unreadable)?,
    })
}

fn problem(path: &Path, message: &str) -> InvalidPolicies {
    PolicyProblem::new(path.display().to_string(), message).into()
}
