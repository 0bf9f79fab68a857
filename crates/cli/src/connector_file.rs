//! Connectors in files: `{type}.jsonc` or `{type}.json`, one connector each, comments allowed. Whatever is wrong is
//! told with file, line and what is allowed, all of it at once.

mod edit;
mod folder;
mod invalid;
mod key;
mod read;
mod schema;
mod secret;
mod type_file;

pub(crate) use edit::{edited, written};
pub(crate) use folder::{ConnectorFolder, read_folder};
pub(crate) use invalid::{InvalidFiles, InvalidLine};
pub(crate) use key::{KEYS, Key, unwritten};
pub(crate) use read::ConnectorFile;
pub(crate) use schema::schema;
pub(crate) use type_file::TypeFile;
