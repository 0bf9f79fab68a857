//! Everything at rest, on SQLite or PostgreSQL: the only crate that knows SQL. Secrets are sealed before a row
//! is written and opened after it was read.

#![warn(missing_docs)]

mod api_keys;
mod audit_trail;
mod authorizations;
mod bulk_revocations;
mod changes;
mod columns;
mod connect;
mod connections;
mod connectors;
mod database_clock;
mod deployments;
mod durability;
mod entities;
mod faults;
#[doc(hidden)]
pub mod fuzzing;
mod housekeeping;
mod integration_overrides;
mod journal;
mod key_check;
mod migrations;
mod pool;
mod refreshes;
mod renewals;
mod sealed;
mod statistics;
mod suspensions;
mod transaction;

use std::sync::Arc;

use tokend_keyring::Keyring;

use crate::{changes::Announcements, deployments::seen::Seen, pool::Pool};

pub use connect::{ConnectError, StorageOptions};
pub use durability::Durability;
pub use journal::FileJournal;

/// A handle to the database; clones share its pool. It implements all storage ports of [`tokend_model::ports`].
#[derive(Debug, Clone)]
pub struct Storage {
    database: Pool,
    keyring: Arc<Keyring>,
    announcements: Arc<Announcements>,
    seen: Arc<Seen>,
}
