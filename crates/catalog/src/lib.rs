//! Integration types as data: one TOML file each, read into a small typed vocabulary of OAuth quirks that the
//! OAuth crate carries out. Adding a service is adding a file to `types/`.

#![warn(missing_docs)]

mod catalogue;
mod connection_config;
mod cross_check;
mod definition;
mod pattern;
mod pointer;
mod refresh;
mod section;
mod template;
mod vocabulary;

pub use catalogue::{Catalogue, InvalidEmbeddedDefinition};
pub use definition::Definition;
pub use pattern::Pattern;
pub use pointer::Pointer;
pub use refresh::Refresh;
pub use section::{Answer, Authorize, Capture, Errors, Identity, Revoke, Token};
pub use template::{Template, TemplateError, is_loopback};
pub use vocabulary::{
    ClientAuth, Encoding, ErrorMeaning, Method, ParseSettingError, RevocableToken, RevokeAuth,
    Separator, Setting, WithoutExpiresIn,
};
