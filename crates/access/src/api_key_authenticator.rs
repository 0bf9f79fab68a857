//! Tells callers by their API keys. All keys are in memory, so checking a call makes no database statement.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use chrono::TimeDelta;
use subtle::ConstantTimeEq;
use tokend_model::{
    Timestamp,
    ports::{ApiKeyRecord, ApiKeys, Clock, StorageError},
};
use tokio::sync::Mutex;

use crate::{Caller, CallerKind, CallerRejection, OtherWorkspaces, api_key::PresentedKey};

/// Unknown keys make us look into the database again, at most once in this time.
const RELOAD_FLOOR: TimeDelta = TimeDelta::seconds(1);

/// Authenticates callers by API key (threat T-13: the same answer and the same work for an unknown key id and a
/// wrong secret).
pub struct ApiKeyAuthenticator {
    keys: Arc<dyn ApiKeys>,
    clock: Arc<dyn Clock>,
    snapshot: ArcSwap<HashMap<String, KnownKey>>,
    last_reload: Mutex<Option<Timestamp>>,
}

struct KnownKey {
    secret_hash: Vec<u8>,
    expire_time: Option<Timestamp>,
    caller: Arc<Caller>,
}

impl ApiKeyAuthenticator {
    /// Knows no key until [`reload`](Self::reload) or the first call.
    pub fn new(keys: Arc<dyn ApiKeys>, clock: Arc<dyn Clock>) -> Self {
        Self {
            keys,
            clock,
            snapshot: ArcSwap::default(),
            last_reload: Mutex::new(None),
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

    fn find(&self, key: &PresentedKey<'_>) -> Option<Arc<Caller>> {
        let snapshot = self.snapshot.load();
        let hash = key.secret_hash();
        let known = snapshot.get(key.key_id);
        let kept = known.map_or([0; 32].as_slice(), |known| &known.secret_hash);
        let matches: bool = hash.as_slice().ct_eq(kept).into();
        known
            .filter(|known| matches && known.is_live(self.clock.now()))
            .map(|known| known.caller.clone())
    }

    /// Those who come while a reload runs wait for it instead of starting another.
    async fn reload_if_due(&self) {
        let mut last_reload = self.last_reload.lock().await;
        let since = last_reload.map(|last| self.clock.now() - last);
        if since.is_some_and(|since| (TimeDelta::zero()..RELOAD_FLOOR).contains(&since)) {
            return;
        }
        if let Err(error) = self.load(&mut last_reload).await {
            tracing::warn!(%error, "API keys cannot be read; those read before stay in use");
        }
    }

    async fn load(&self, last_reload: &mut Option<Timestamp>) -> Result<(), StorageError> {
        *last_reload = Some(self.clock.now());
        let records = self.keys.list().await?;
        let known = records.into_iter().map(KnownKey::from_record).collect();
        self.snapshot.store(Arc::new(known));
        Ok(())
    }
}

impl KnownKey {
    fn from_record(record: ApiKeyRecord) -> (String, Self) {
        let known = Self {
            secret_hash: record.secret_hash,
            expire_time: record.expire_time,
            caller: Arc::new(Caller {
                name: record.caller,
                workspace: record.workspace,
                other_workspaces: OtherWorkspaces::None,
                role: Some(record.role),
                kind: CallerKind::ApiKey {
                    key_id: record.key_id.clone(),
                },
                expire_time: None,
            }),
        };
        (record.key_id, known)
    }

    fn is_live(&self, now: Timestamp) -> bool {
        self.expire_time.is_none_or(|expire_time| now < expire_time)
    }
}
