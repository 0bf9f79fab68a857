//! One-time values: 256 random bits given out once, kept only as their SHA-256.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use tokend_model::Secret;

use crate::Error;

/// A fresh value and the hash to keep.
pub(crate) fn generate() -> Result<(Secret, Vec<u8>), Error> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| {
        tracing::error!("the operating system gave no random numbers");
        Error::Internal
    })?;
    let value = URL_SAFE_NO_PAD.encode(bytes);
    let hash = hash(&value);
    Ok((Secret::new(value), hash))
}

/// What is kept of a value. With 256 random bits nothing slower is needed.
pub(crate) fn hash(value: &str) -> Vec<u8> {
    digest(&SHA256, value.as_bytes()).as_ref().to_vec()
}
