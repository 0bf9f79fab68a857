//! The sections of a definition file that the OAuth crate carries out, with their defaults.

mod authorize;
mod call;
mod errors;
mod grant;
mod token;

pub use authorize::Authorize;
pub use call::{Call, Capture, CaptureFrom, Discovery, Exchange, Identity, NamePart, Only, Revoke};
pub use errors::Errors;
pub use grant::{Assertion, Client, Device, Metadata, StaticCredential, SubjectToken};
pub use token::{Answer, OtherToken, Token};
