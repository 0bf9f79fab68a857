//! Tells callers by their API keys. All keys are in memory, so checking a call makes no database statement.
//!
//! Guesses are not counted by source. A secret has 256 random bits, so none is guessed; a guess costs one hash, and all
//! of them together one statement a second. Refusing by address would refuse good keys as well, wherever callers share
//! one: a single misconfigured pod behind a proxy would lock out all others.

use std::sync::{
    Arc, Once,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use chrono::TimeDelta;
use tokend_model::{
    Timestamp,
    ports::{ApiKeys, Clock, StorageError},
};
use tokio::sync::Mutex;

use crate::{Caller, CallerRejection, api_key::PresentedKey, known_keys::KnownKeys};

/// Unknown keys make us look into the database again, but not sooner than this after we last did.
const RELOAD_FLOOR: TimeDelta = TimeDelta::seconds(1);

/// Authenticates callers by API key (threat T-13: the same answer and the same work for an unknown key id, a wrong
/// secret and an expired key).
pub struct ApiKeyAuthenticator {
    keys: Arc<dyn ApiKeys>,
    clock: Arc<dyn Clock>,
    snapshot: ArcSwap<KnownKeys>,
    /// When the last load ended. Held while one runs.
    last_reload: Mutex<Option<Timestamp>>,
    /// How many loads have begun.
    loads: AtomicU64,
    warned: Once,
}

impl ApiKeyAuthenticator {
    /// Knows no key until [`reload`](Self::reload) or the first call.
    pub fn new(keys: Arc<dyn ApiKeys>, clock: Arc<dyn Clock>) -> Self {
        Self {
            keys,
            clock,
            snapshot: ArcSwap::default(),
            last_reload: Mutex::new(None),
            loads: AtomicU64::new(0),
            warned: Once::new(),
        }
    }

    /// Reads all keys anew. To be called at the start and now and then, so that a deleted key stops working. After an
    /// error the keys read before stay in use.
    pub async fn reload(&self) -> Result<(), StorageError> {
        let mut last_reload = self.last_reload.lock().await;
        self.load(&mut last_reload).await
    }

    /// The caller that holds this key (the text after `Bearer `).
    pub async fn authenticate(&self, key: &str) -> Result<Arc<Caller>, CallerRejection> {
        let key = PresentedKey::parse(key).ok_or(CallerRejection::Malformed)?;
        if let Some(caller) = self.find(&key) {
            return Ok(caller);
        }
        // Not only for unknown ids: a wrong secret must not be told from them by the time it takes.
        self.reload_if_due().await;
        self.find(&key).ok_or(CallerRejection::Refused)
    }

    /// Writes when keys were last accepted, as far as it was not written yet. After an error it is kept for the next
    /// time.
    pub async fn write_last_uses(&self) -> Result<(), StorageError> {
        let uses = self.snapshot.load().take_uses();
        if uses.is_empty() {
            return Ok(());
        }
        let written = self.keys.note_uses(&uses).await;
        if written.is_err() {
            self.snapshot.load().put_back(&uses);
        }
        written
    }

    /// The caller that holders of this name's keys are; there is one at most.
    pub fn named(&self, name: &str) -> Option<Arc<Caller>> {
        self.snapshot.load().named(name, self.clock.now())
    }

    fn find(&self, key: &PresentedKey<'_>) -> Option<Arc<Caller>> {
        let now = self.clock.now();
        let snapshot = self.snapshot.load();
        let known = snapshot.find(key, now)?;
        known.note_use(now);
        Some(known.caller().clone())
    }

    /// Those who come while a load runs wait for it instead of starting another, however long it took: so all of them
    /// together wait for two loads at most.
    async fn reload_if_due(&self) {
        let begun = self.loads.load(Ordering::Acquire);
        let mut last_reload = self.last_reload.lock().await;
        if self.loads.load(Ordering::Acquire) > begun {
            // It began after we came, and is over.
            return;
        }
        let since = last_reload.map(|last| self.clock.now() - last);
        if since.is_some_and(|since| (TimeDelta::zero()..RELOAD_FLOOR).contains(&since)) {
            return;
        }
        if let Err(error) = self.load(&mut last_reload).await {
            tracing::warn!(%error, "API keys cannot be read; those read before stay in use");
        }
    }

    async fn load(&self, last_reload: &mut Option<Timestamp>) -> Result<(), StorageError> {
        self.loads.fetch_add(1, Ordering::AcqRel);
        let records = self.keys.list().await;
        *last_reload = Some(self.clock.now());
        let (known, left_out) = KnownKeys::read(records?, &self.snapshot.load());
        self.snapshot.store(Arc::new(known));
        if !left_out.is_empty() {
            self.warned.call_once(|| {
                tracing::warn!(
                    key_ids = ?left_out,
                    "API keys are not accepted: their callers' names could be those of other kinds of callers, or are \
                     held by older keys of another workspace; 'tokend callers list' shows them"
                );
            });
        }
        Ok(())
    }
}
