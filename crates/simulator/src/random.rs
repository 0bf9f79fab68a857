//! Unguessable values, all from the operating system.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    error::Unspecified,
    rand::{SecureRandom, SystemRandom},
};

/// A recognisable random value: the prefix and 192 bits.
pub(crate) fn id(prefix: &str) -> String {
    let mut bytes = [0_u8; 24];
    entropy(SystemRandom::new().fill(&mut bytes));
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Unwraps an operation of ring that fails only when the operating system has no randomness to give;
/// nothing in this process could go on then, so it panics.
pub(crate) fn entropy<T>(outcome: Result<T, Unspecified>) -> T {
    match outcome {
        Ok(value) => value,
        Err(Unspecified) => panic!("the operating system gives no randomness"),
    }
}
