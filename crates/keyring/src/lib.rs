//! Keys and sealing: secrets at rest are sealed with AES-256-GCM under a key from a file, bound to the row and
//! column they live in.

#![warn(missing_docs)]

mod key;
mod key_file;
mod keyring;
mod mac;
mod record;
mod seal;

pub use key_file::{KeyFileError, generate_key_file, generate_key_line};
pub use keyring::{KeyFile, Keyring};
pub use mac::{MacKey, MacPurpose};
pub use seal::{OpenError, SealContext, SealError, key_id_of};
