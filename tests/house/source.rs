//! The tree as files: which there are, and which of their lines run in production.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// A Rust file that goes into a crate, without its tests.
pub(crate) struct Source {
    /// From the top of the repository, with `/`.
    pub(crate) path: String,
    /// Its lines before the inline test module.
    pub(crate) lines: Vec<String>,
}

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file of the repository.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files below a folder (from the top of the repository), without what was built, installed or hidden.
pub(crate) fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = match folder.as_str() {
                "" => name.clone(),
                folder => format!("{folder}/{name}"),
            };
            let left_out = matches!(name.as_str(), "target" | "node_modules" | ".git");
            match entry.file_type().unwrap() {
                kind if kind.is_dir() && !left_out => open.push(path),
                kind if kind.is_file() => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// All production code: the crates' `src` and the root package.
pub(crate) fn production() -> Vec<Source> {
    let in_crate = |path: &str| {
        path == "build.rs"
            || path.starts_with("proto/")
            || path
                .split('/')
                .nth(2)
                .is_some_and(|part| part == "src" || part == "build.rs")
    };
    let sources: Vec<_> = files("proto")
        .into_iter()
        .chain(files("crates"))
        .chain(["build.rs".to_owned()])
        .filter(|path| path.ends_with(".rs") && in_crate(path))
        .filter(|path| !path.ends_with("/tests.rs") && !path.contains("/tests/"))
        .map(|path| Source {
            lines: without_tests(&read(&path)),
            path,
        })
        .collect();
    assert!(
        sources.len() > 100,
        "only {} files were found",
        sources.len()
    );
    sources
}

impl Source {
    /// The lines that are not comments, with their numbers.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.lines.iter().enumerate();
        numbered
            .map(|(index, line)| (index + 1, line.as_str()))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The places where the code has this text, and not as the end of a longer name.
    pub(crate) fn places_of(&self, text: &str) -> Vec<String> {
        let in_a_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        self.code()
            .filter(|(_, line)| {
                line.match_indices(text)
                    .any(|(at, _)| at == 0 || !in_a_name(line.as_bytes()[at - 1]))
            })
            .map(|(number, line)| format!("{}:{number}: {}", self.path, line.trim()))
            .collect()
    }
}

/// The house keeps a file's tests last.
fn without_tests(text: &str) -> Vec<String> {
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let end = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests"))
        .unwrap_or(lines.len());
    lines[..end].to_vec()
}
