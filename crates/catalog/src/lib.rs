//! Integration types as data: one TOML file each, read into a small typed vocabulary of OAuth quirks that the
//! OAuth crate carries out. Adding a service is adding a file to `types/`.

#![warn(missing_docs)]

mod catalogue;
mod connection_config;
mod cross_check;
mod definition;
mod document;
mod param;
mod pattern;
mod pointer;
mod refresh;
mod section;
mod template;
mod vocabulary;

pub use catalogue::{Catalogue, InvalidEmbeddedDefinition};
pub use definition::Definition;
pub use param::Param;
pub use pattern::Pattern;
pub use pointer::Pointer;
pub use refresh::Refresh;
pub use section::{
    Answer, Assertion, Authorize, Call, Capture, CaptureFrom, Client, Device, Discovery, Errors,
    Exchange, Identity, Metadata, NamePart, Only, OtherToken, Revoke, StaticCredential,
    SubjectToken, Token,
};
pub use template::{Template, TemplateError, is_loopback};
pub use vocabulary::{
    AssertionPlace, CallAuth, CallEncoding, ClientAuth, Encoding, ErrorMeaning, Method,
    ParseSettingError, RenewedWith, RevocableToken, Separator, Setting, WithoutExpiresIn,
};
