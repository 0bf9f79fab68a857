//! What is wrong in files, with the file, the line and what is allowed.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

/// One thing that is wrong in a file, or with a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InvalidLine {
    pub(crate) file: PathBuf,
    /// From 1. None: the file or folder as a whole.
    pub(crate) line: Option<usize>,
    pub(crate) why: String,
}

/// All that is wrong in the files of a folder: nothing of them was applied. Never empty.
#[derive(Debug)]
pub(crate) struct InvalidFiles(Vec<InvalidLine>);

impl InvalidLine {
    /// Something at a place of a text.
    pub(crate) fn at(file: &Path, text: &str, position: usize, why: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: Some(line_of(text, position)),
            why: why.into(),
        }
    }

    /// Something about a file or folder as a whole.
    pub(crate) fn of(file: &Path, why: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            why: why.into(),
        }
    }
}

impl fmt::Display for InvalidLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(formatter, ":{line}")?;
        }
        write!(formatter, ": {}", self.why)
    }
}

impl std::error::Error for InvalidLine {}

impl InvalidFiles {
    /// An error if there is anything.
    pub(crate) fn check(mut lines: Vec<InvalidLine>) -> Result<(), Self> {
        lines.sort();
        lines.dedup();
        match lines.is_empty() {
            true => Ok(()),
            false => Err(Self(lines)),
        }
    }
}

impl fmt::Display for InvalidFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.0.iter().enumerate() {
            if number > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "{line}")?;
        }
        let files: BTreeSet<_> = self.0.iter().map(|line| &line.file).collect();
        match (self.0.len(), files.len()) {
            (1, _) => write!(formatter, "\nNothing was changed."),
            (errors, files) => write!(
                formatter,
                "\n{errors} errors in {files} file(s); nothing was changed."
            ),
        }
    }
}

impl std::error::Error for InvalidFiles {}

/// The line that a position is in, from 1.
pub(crate) fn line_of(text: &str, position: usize) -> usize {
    text.bytes()
        .take(position)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}
