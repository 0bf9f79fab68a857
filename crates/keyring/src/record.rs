//! The layout of a sealed value, read with every length checked.
//!
//! Format byte, key id with its length before it, salt, key commitment, then the ciphertext with its tag.

use crate::key::is_key_id;

/// The layout described here.
pub(crate) const FORMAT: u8 = 1;

/// Salts and commitments are 32 bytes long.
pub(crate) const SALT_LENGTH: usize = 32;

/// The parts of a sealed value.
pub(crate) struct Record<'a> {
    pub(crate) key_id: &'a str,
    pub(crate) salt: &'a [u8; SALT_LENGTH],
    pub(crate) commitment: &'a [u8; 32],
    pub(crate) ciphertext: &'a [u8],
}

impl<'a> Record<'a> {
    /// Takes a sealed value apart; `None` if it does not have the layout.
    pub(crate) fn parse(sealed: &'a [u8]) -> Option<Self> {
        let (&[format, length], rest) = sealed.split_first_chunk()?;
        if format != FORMAT {
            return None;
        }
        let (key_id, rest) = rest.split_at_checked(usize::from(length))?;
        let key_id = std::str::from_utf8(key_id)
            .ok()
            .filter(|id| is_key_id(id))?;
        let (salt, rest) = rest.split_first_chunk()?;
        let (commitment, ciphertext) = rest.split_first_chunk()?;
        Some(Self {
            key_id,
            salt,
            commitment,
            ciphertext,
        })
    }

    /// Puts the parts together; `None` if the key id is too long for its length byte.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        let length = u8::try_from(self.key_id.len()).ok()?;
        let mut sealed = vec![FORMAT, length];
        sealed.extend_from_slice(self.key_id.as_bytes());
        sealed.extend_from_slice(self.salt);
        sealed.extend_from_slice(self.commitment);
        sealed.extend_from_slice(self.ciphertext);
        Some(sealed)
    }
}
