//! The key file: what it looks like, how a new one is made, and what can be wrong with it.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};
use tokend_model::Secret;
use zeroize::Zeroizing;

use crate::key::{KEY_LENGTH, Key};

/// Why there is no keyring.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Nothing is at the path.
    #[error("there is no key file at {}: make one with `tokend keys generate`", .0.display())]
    Missing(PathBuf),
    /// The file cannot be read or written.
    #[error("the key file {} cannot be used", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// A key file is not overwritten: what was sealed with its keys would be lost.
    #[error("{} exists already and is not overwritten: what its keys sealed would be lost", .0.display())]
    Exists(PathBuf),
    /// A line is neither a key, a comment nor blank.
    #[error("line {line} of the key file is malformed: {why}")]
    Malformed {
        /// The line's number, from 1.
        line: usize,
        /// What is wrong, without the line itself.
        why: &'static str,
    },
    /// Two keys have the same id.
    #[error("line {line} of the key file repeats the key id {id:?}")]
    Duplicate {
        /// The line's number, from 1.
        line: usize,
        /// The id that is there already.
        id: String,
    },
    /// The file holds no key at all.
    #[error("the key file holds no key: add one with `tokend keys generate`")]
    NoKey,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

/// Makes a key from the operating system's random bytes; answers its id and the line for the key file.
pub fn generate_key_line() -> Result<(String, Secret), KeyFileError> {
    let random = SystemRandom::new();
    let mut id = [0; 9];
    let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
    random
        .fill(&mut id)
        .and_then(|()| random.fill(bytes.as_mut_slice()))
        .map_err(|_| KeyFileError::NoRandomness)?;
    let key = Key {
        id: URL_SAFE_NO_PAD.encode(id),
        bytes,
    };
    Ok((key.id.clone(), key.to_line()))
}

/// Writes a key file with one new key, readable by its owner only; answers the key's id. An existing file is
/// left alone.
pub fn generate_key_file(path: &Path) -> Result<String, KeyFileError> {
    let (id, line) = generate_key_line()?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let io_error = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
        _ => KeyFileError::Io(path.to_owned(), error),
    };
    let mut file = options.open(path).map_err(io_error)?;
    let text = Zeroizing::new(format!(
        "# Keys of tokend. The first one seals, all of them open. Keep a copy: without it nothing sealed can be read.\n{}\n",
        line.expose()
    ));
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(io_error)?;
    Ok(id)
}

/// Whether everybody on the machine may read the file.
pub(crate) fn is_readable_by_others(metadata: &std::fs::Metadata) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o004 != 0;
    #[cfg(not(unix))]
    return false;
}
