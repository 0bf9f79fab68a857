//! Everything at rest, on SQLite or PostgreSQL: the only crate that knows SQL. Secrets are sealed before a row
//! is written and opened after it was read.

#![warn(missing_docs)]

mod api_keys;
mod authorizations;
mod columns;
mod connect;
mod connections;
mod connectors;
mod database_clock;
mod entities;
mod faults;
mod integration_overrides;
mod key_check;
mod migrations;
mod refreshes;
mod sealed;
mod transaction;

use std::sync::Arc;

use sea_orm::DatabaseConnection;
use tokend_keyring::Keyring;

pub use connect::{ConnectError, StorageOptions};

/// A handle to the database; clones share its pool. It implements all storage ports of [`tokend_model::ports`].
#[derive(Debug, Clone)]
pub struct Storage {
    database: DatabaseConnection,
    keyring: Arc<Keyring>,
}
