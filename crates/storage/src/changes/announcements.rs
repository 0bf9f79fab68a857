//! Waking whoever waits for changes: by the database where it announces them, and by this process's own commits.

use std::{
    cell::Cell,
    sync::{Arc, OnceLock},
};

use sea_orm::{DatabaseBackend, DatabaseConnection};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::listener::listen;

tokio::task_local! {
    /// Whether the transaction of this task announced a change.
    static ANNOUNCED: Cell<bool>;
}

/// One bell for all clones of a storage; it is for one who waits at a time, and rings later if nobody does now.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    bell: Arc<Notify>,
    /// Listens to PostgreSQL from the first wait on, until the last clone is dropped.
    listener: OnceLock<AbortOnDropHandle<()>>,
}

impl Announcements {
    /// A transaction of this process that announced a change was committed.
    pub(crate) fn committed(&self) {
        self.bell.notify_one();
    }

    /// Waits until there may be changes that were not asked for yet.
    pub(crate) async fn heard(&self, database: &DatabaseConnection) {
        if database.get_database_backend() == DatabaseBackend::Postgres {
            self.listener.get_or_init(|| {
                let options = database.get_postgres_connection_pool().connect_options();
                AbortOnDropHandle::new(tokio::spawn(listen(options, self.bell.clone())))
            });
        }
        self.bell.notified().await;
    }
}

/// Does the work of a transaction; answers besides whether it announced a change.
pub(crate) async fn noticing<T>(work: impl Future<Output = T>) -> (T, bool) {
    let noticed = async {
        let done = work.await;
        (done, ANNOUNCED.with(Cell::get))
    };
    ANNOUNCED.scope(Cell::new(false), noticed).await
}

/// The transaction that is under way announces a change.
pub(super) fn note() {
    // Outside of a transaction nobody could be told.
    let _ = ANNOUNCED.try_with(|announced| announced.set(true));
}
