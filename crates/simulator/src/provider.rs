//! The state that the endpoints share.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    app_identity::{AppIdentity, SigningKey},
    books::Books,
    conduct::Conduct,
    device::Devices,
    event::Happening,
    grants::Grants,
    options::{Client, SimulatorOptions},
    unattended::AssertionKeys,
};

/// One provider.
pub(crate) struct Provider {
    pub(crate) base_url: String,
    pub(crate) key: SigningKey,
    pub(crate) app: AppIdentity,
    pub(crate) conduct: Conduct,
    pub(crate) closing: CancellationToken,
    pub(crate) assertion_keys: AssertionKeys,
    pub(crate) devices: Devices,
    /// The queries with which browsers came back to the app.
    pub(crate) returns: watch::Sender<Vec<BTreeMap<String, String>>>,
    clients: Mutex<BTreeMap<String, Client>>,
    records: Mutex<Records>,
    changed: watch::Sender<u64>,
}

/// What is true, and how it came about; always changed together.
pub(crate) struct Records {
    pub(crate) books: Books,
    pub(crate) grants: Grants,
}

impl Provider {
    pub(crate) fn new(base_url: String, options: SimulatorOptions) -> Self {
        let provider = Self {
            app: AppIdentity::new(format!("{base_url}/app")),
            base_url,
            key: SigningKey::generate(),
            conduct: Conduct::new(options.behaviour),
            closing: CancellationToken::new(),
            assertion_keys: AssertionKeys::default(),
            devices: Devices::default(),
            returns: watch::Sender::default(),
            clients: Mutex::default(),
            records: Mutex::new(Records {
                books: Books::new(options.kept_events, options.keeps_secrets),
                grants: Grants::default(),
            }),
            changed: watch::Sender::default(),
        };
        options
            .clients
            .into_iter()
            .for_each(|client| provider.register(client));
        provider
    }

    /// Looks at the records.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Records> {
        locked(&self.records)
    }

    /// Changes the records, and tells those who wait for a change.
    pub(crate) fn record<T>(&self, change: impl FnOnce(&mut Records) -> T) -> T {
        let (result, sequence) = {
            let mut records = self.lock();
            (change(&mut records), records.books.sequence())
        };
        self.changed.send_replace(sequence);
        result
    }

    /// Writes down one event.
    pub(crate) fn note(&self, what: Happening) {
        self.record(|records| records.books.note(what));
    }

    /// Writes down that an endpoint said no.
    pub(crate) fn refuse(&self, endpoint: &'static str, error: &str) {
        self.note(Happening::Refused {
            endpoint,
            error: error.to_owned(),
        });
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn client(&self, id: &str) -> Option<Client> {
        locked(&self.clients).get(id).cloned()
    }

    pub(crate) fn register(&self, client: Client) {
        self.record(|records| records.books.keep_secret(&client.secret));
        locked(&self.clients).insert(client.id.clone(), client);
    }
}

/// A panic elsewhere does not make the records unreadable: each change is complete or was never begun.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
