//! The ring of keys: the first one seals, all of them open.

use std::{fs, io, path::Path};

use zeroize::Zeroizing;

use crate::{
    key::Key,
    key_file::{KeyFileError, is_readable_by_others},
    mac::{MacKey, MacPurpose},
    seal::{self, OpenError, SealContext, SealError},
};

/// The keys in use. There is at least one; ids are unique.
#[derive(Debug)]
pub struct Keyring {
    primary: Key,
    others: Vec<Key>,
}

/// A key file as it was found.
#[derive(Debug)]
pub struct KeyFile {
    /// The keys in it.
    pub keyring: Keyring,
    /// Whether everybody on the machine may read it: worth a warning.
    pub readable_by_others: bool,
}

impl Keyring {
    /// Reads a key file.
    pub fn from_file(path: &Path) -> Result<KeyFile, KeyFileError> {
        let io_error = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => KeyFileError::Missing(path.to_owned()),
            _ => KeyFileError::Io(path.to_owned(), error),
        };
        let metadata = fs::metadata(path).map_err(io_error)?;
        let text = fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(io_error)?;
        Ok(KeyFile {
            keyring: Self::parse(&text)?,
            readable_by_others: is_readable_by_others(&metadata),
        })
    }

    /// Reads a key file's text: a key a line, `#` comments and blank lines allowed.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let (number, line) = (index + 1, line.trim());
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key =
                Key::parse(line).map_err(|why| KeyFileError::Malformed { line: number, why })?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(KeyFileError::Duplicate {
                    line: number,
                    id: key.id,
                });
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(KeyFileError::NoKey);
        }
        let others = keys.split_off(1);
        let primary = keys.pop().ok_or(KeyFileError::NoKey)?;
        Ok(Self { primary, others })
    }

    /// The id of the key that seals.
    pub fn primary_key_id(&self) -> &str {
        &self.primary.id
    }

    /// Whether it can open what the key with that id sealed.
    pub fn knows(&self, id: &str) -> bool {
        self.primary.id == id || self.others.iter().any(|key| key.id == id)
    }

    /// Seals a secret for one place only; two sealings of the same secret never look alike.
    pub fn seal(&self, context: &SealContext<'_>, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        seal::seal(&self.primary, context, plaintext)
    }

    /// Opens what was sealed for this very place with any key of the ring.
    pub fn open(
        &self,
        context: &SealContext<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let id = seal::key_id_of(sealed).ok_or(OpenError::Malformed)?;
        let key = self
            .key(id)
            .ok_or_else(|| OpenError::UnknownKey(id.to_owned()))?;
        seal::open(key, context, sealed)
    }

    /// A key derived from the one with that id, to authenticate with; `None` if there is none with that id.
    pub fn mac_key(&self, id: &str, purpose: MacPurpose) -> Option<MacKey> {
        MacKey::derive(self.key(id)?, purpose)
    }

    fn key(&self, id: &str) -> Option<&Key> {
        std::iter::once(&self.primary)
            .chain(&self.others)
            .find(|key| key.id == id)
    }
}

#[cfg(test)]
mod tests;
