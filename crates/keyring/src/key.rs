//! One key of the ring and the line of text that carries it.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokend_model::Secret;
use zeroize::Zeroizing;

/// What every line of a key file begins with; the number tells later forms apart.
const LINE_PREFIX: &str = "tokend-key-v1";

/// The length of a key in bytes.
pub(crate) const KEY_LENGTH: usize = 32;

/// A named key: 256 random bits, wiped when dropped.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) bytes: Zeroizing<[u8; KEY_LENGTH]>,
}

impl Key {
    /// Reads `tokend-key-v1:<key id>:<base64url of 32 bytes>`, or says what is wrong without repeating any of it.
    pub(crate) fn parse(line: &str) -> Result<Self, &'static str> {
        let mut parts = line.splitn(3, ':');
        if parts.next() != Some(LINE_PREFIX) {
            return Err("it does not begin with 'tokend-key-v1:'");
        }
        let id = parts.next().unwrap_or_default();
        if !is_key_id(id) {
            return Err("the key id must be 1 to 63 characters of a-z, A-Z, 0-9, '_' and '-'");
        }
        let decoded = URL_SAFE_NO_PAD
            .decode(parts.next().unwrap_or_default())
            .map(Zeroizing::new)
            .map_err(|_| "the key is not base64url without padding")?;
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        if decoded.len() != KEY_LENGTH {
            return Err("the key is not 32 bytes long");
        }
        bytes.copy_from_slice(&decoded);
        Ok(Self {
            id: id.to_owned(),
            bytes,
        })
    }

    /// The line that [`Self::parse`] reads.
    pub(crate) fn to_line(&self) -> Secret {
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.bytes.as_slice()));
        Secret::new(format!("{LINE_PREFIX}:{}:{}", self.id, encoded.as_str()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.id)
    }
}

/// Whether the text can name a key; records carry it, so it is short and plain.
pub(crate) fn is_key_id(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}
