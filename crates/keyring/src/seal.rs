//! Sealing and opening one value: a key of its own for every write, committed to, and bound to its place.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    rand::{SecureRandom, SystemRandom},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    key::Key,
    record::{FORMAT, Record, SALT_LENGTH},
};

/// Separates these derived keys from any other use of the same key (RFC 5869 section 3.2).
const DERIVATION_INFO: &[u8] = b"tokend seal v1";

/// Key, commitment and nonce.
const DERIVED_LENGTH: usize = 32 + 32 + 12;

/// The place a sealed value belongs to; it opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealContext<'a> {
    /// Table and column, such as `credentials.access_token`.
    pub column: &'static str,
    /// The row's workspace.
    pub workspace: &'a str,
    /// The id of the connector, connection or authorization it belongs to.
    pub row_id: &'a str,
    /// The credential's generation; 0 for values that have none.
    pub generation: u32,
}

/// A secret could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    /// The secret, or a part of its context, is longer than the cipher or the record allows.
    #[error("the value is too long to be sealed")]
    TooLong,
}

/// A sealed value does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is not a sealed value, or is cut short.
    #[error("it is not a whole sealed value")]
    Malformed,
    /// None of the keys has the id in the record.
    #[error("it was sealed with the key {0:?}, which is not in the key file")]
    UnknownKey(String),
    /// A key with that id is there, but another one sealed it (or the record was changed).
    #[error("it was sealed with another key of the same id, or was changed")]
    WrongKey,
    /// It was changed, or was sealed for another place.
    #[error("it was changed or moved from another row or column")]
    NotAuthentic,
}

/// The id of the key that sealed the value; `None` if it is not a sealed value.
pub fn key_id_of(sealed: &[u8]) -> Option<&str> {
    Record::parse(sealed).map(|record| record.key_id)
}

/// Seals with one key.
pub(crate) fn seal(
    key: &Key,
    context: &SealContext<'_>,
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    let mut salt = [0; SALT_LENGTH];
    SystemRandom::new()
        .fill(&mut salt)
        .map_err(|_| SealError::NoRandomness)?;
    let derived = Derived::new(key, &salt).ok_or(SealError::TooLong)?;
    let aad = associated_data(context, &key.id).ok_or(SealError::TooLong)?;
    // Room for the tag, so that the vector never moves and leaves a copy of the plaintext behind.
    let mut buffer = Zeroizing::new(Vec::with_capacity(plaintext.len() + AES_256_GCM.tag_len()));
    buffer.extend_from_slice(plaintext);
    derived
        .cipher
        .seal_in_place_append_tag(derived.nonce, Aad::from(aad), &mut *buffer)
        .map_err(|_| SealError::TooLong)?;
    let record = Record {
        key_id: &key.id,
        salt: &salt,
        commitment: &derived.commitment,
        ciphertext: &buffer,
    };
    record.to_bytes().ok_or(SealError::TooLong)
}

/// Opens with the key the record names.
pub(crate) fn open(
    key: &Key,
    context: &SealContext<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let record = Record::parse(sealed).ok_or(OpenError::Malformed)?;
    let derived = Derived::new(key, record.salt).ok_or(OpenError::Malformed)?;
    // AES-GCM alone does not commit to its key: a ciphertext can be made that opens under two.
    if !bool::from(derived.commitment.ct_eq(record.commitment)) {
        return Err(OpenError::WrongKey);
    }
    let aad = associated_data(context, record.key_id).ok_or(OpenError::NotAuthentic)?;
    let mut buffer = Zeroizing::new(record.ciphertext.to_vec());
    let length = derived
        .cipher
        .open_in_place(derived.nonce, Aad::from(aad), &mut buffer)
        .map_err(|_| OpenError::NotAuthentic)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

/// What one write derives from its key and salt.
struct Derived {
    cipher: LessSafeKey,
    commitment: [u8; 32],
    nonce: Nonce,
}

/// The length to expand to, in the form ring asks for.
#[derive(Clone, Copy)]
struct DerivedLength;

impl KeyType for DerivedLength {
    fn len(&self) -> usize {
        DERIVED_LENGTH
    }
}

impl Derived {
    /// HKDF-SHA256 (RFC 5869); the salt is fresh for each write, so that no nonce is ever used twice with a key.
    fn new(key: &Key, salt: &[u8; SALT_LENGTH]) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; DERIVED_LENGTH]);
        Salt::new(HKDF_SHA256, salt)
            .extract(key.bytes.as_slice())
            .expand(&[DERIVATION_INFO], DerivedLength)
            .and_then(|expanded| expanded.fill(bytes.as_mut_slice()))
            .ok()?;
        let (cipher, rest) = bytes.split_first_chunk::<32>()?;
        let (commitment, nonce) = rest.split_first_chunk::<32>()?;
        Some(Self {
            cipher: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, cipher).ok()?),
            commitment: *commitment,
            nonce: Nonce::try_assume_unique_for_key(nonce).ok()?,
        })
    }
}

/// Every part with its length before it, so that no two places give the same bytes.
fn associated_data(context: &SealContext<'_>, key_id: &str) -> Option<Vec<u8>> {
    let mut data = vec![FORMAT];
    for part in [context.column, context.workspace, context.row_id, key_id] {
        data.extend_from_slice(&u32::try_from(part.len()).ok()?.to_be_bytes());
        data.extend_from_slice(part.as_bytes());
    }
    data.extend_from_slice(&context.generation.to_be_bytes());
    Some(data)
}

#[cfg(test)]
mod tests;
