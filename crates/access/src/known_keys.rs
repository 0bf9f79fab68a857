//! The API keys there are, in memory. Looking for one is the same work whether its id is known, its secret is right
//! or it has expired (threat T-13): one of the keys there are is always compared, and all of it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use subtle::{Choice, ConstantTimeEq};
use tokend_model::{Timestamp, ports::ApiKeyRecord};

use crate::{
    Caller, CallerKind, OtherWorkspaces,
    api_key::{KeyId, PresentedKey, may_hold_a_key},
    caller_names::clashing_keys,
};

/// A use is remembered anew only this much later, in milliseconds: a busy key's memory is not written by every call.
const USE_STEP: i64 = 1_000;

/// All keys, ordered by their ids.
#[derive(Default)]
pub(crate) struct KnownKeys(Vec<KnownKey>);

/// One key.
pub(crate) struct KnownKey {
    id: KeyId,
    secret_hash: [u8; 32],
    /// In unix milliseconds; the last there is for a key that does not expire.
    expire_time: i64,
    caller: Arc<Caller>,
    last_use: Arc<AtomicI64>,
}

impl KnownKeys {
    /// The keys of these records, with the uses that `before` remembers. Records that cannot be a caller's are left out
    /// and answered by their ids.
    pub(crate) fn read(records: Vec<ApiKeyRecord>, before: &Self) -> (Self, Vec<String>) {
        let clashing = clashing_keys(&records);
        let mut left_out: Vec<_> = clashing.iter().cloned().collect();
        let mut keys: Vec<_> = records
            .into_iter()
            .filter(|record| !clashing.contains(&record.key_id))
            .filter_map(|record| KnownKey::read(record).map_err(|id| left_out.push(id)).ok())
            .collect();
        keys.sort_by_key(|known| known.id);
        for known in &mut keys {
            if let Some(earlier) = before.get(known.id) {
                known.last_use = earlier.last_use.clone();
            }
        }
        (Self(keys), left_out)
    }

    /// The key that was presented, if it is good now.
    pub(crate) fn find(&self, presented: &PresentedKey<'_>, now: Timestamp) -> Option<&KnownKey> {
        let hash = presented.secret_hash();
        let known = self.nearest(presented.key_id)?;
        let is_live = Choice::from(u8::from(now.timestamp_millis() < known.expire_time));
        let is_good = known.id.ct_eq(&presented.key_id) & known.secret_hash.ct_eq(&hash) & is_live;
        bool::from(is_good).then_some(known)
    }

    /// The caller of this name, by one of its keys that are good now.
    pub(crate) fn named(&self, name: &str, now: Timestamp) -> Option<Arc<Caller>> {
        let now = now.timestamp_millis();
        let mut live = self.0.iter().filter(|known| now < known.expire_time);
        live.find(|known| known.caller.name == name)
            .map(|known| known.caller.clone())
    }

    /// The uses since this was asked last.
    pub(crate) fn take_uses(&self) -> Vec<(String, Timestamp)> {
        let uses = self.0.iter().filter_map(|known| {
            let CallerKind::ApiKey { key_id } = &known.caller.kind else {
                return None;
            };
            let time = known.last_use.swap(0, Ordering::Relaxed);
            let time = (time > 0).then(|| Timestamp::from_timestamp_millis(time))??;
            Some((key_id.clone(), time))
        });
        uses.collect()
    }

    /// Remembers uses again that could not be written.
    pub(crate) fn put_back(&self, uses: &[(String, Timestamp)]) {
        for (key_id, time) in uses {
            if let Some(known) = KeyId::parse(key_id).and_then(|id| self.get(id)) {
                let time = time.timestamp_millis();
                known.last_use.fetch_max(time, Ordering::Relaxed);
            }
        }
    }

    fn get(&self, id: KeyId) -> Option<&KnownKey> {
        self.nearest(id).filter(|known| known.id == id)
    }

    /// The key with this id or one beside it; none only where there are no keys. The steps of the search depend on how
    /// many keys there are, and on nothing else.
    fn nearest(&self, id: KeyId) -> Option<&KnownKey> {
        let last = self.0.len().checked_sub(1)?;
        let position = self.0.partition_point(|known| known.id < id);
        self.0.get(position.min(last))
    }
}

impl KnownKey {
    /// The record's key, or its id if nobody can be its caller.
    fn read(record: ApiKeyRecord) -> Result<Self, String> {
        let (Some(id), Ok(secret_hash), true) = (
            KeyId::parse(&record.key_id),
            record.secret_hash.try_into(),
            may_hold_a_key(&record.caller),
        ) else {
            return Err(record.key_id);
        };
        let expire_time = record.expire_time.map(|time| time.timestamp_millis());
        Ok(Self {
            id,
            secret_hash,
            expire_time: expire_time.unwrap_or(i64::MAX),
            caller: Arc::new(Caller {
                name: record.caller,
                workspace: record.workspace,
                other_workspaces: OtherWorkspaces::None,
                role: Some(record.role),
                kind: CallerKind::ApiKey {
                    key_id: record.key_id,
                },
                expire_time: None,
            }),
            last_use: Arc::default(),
        })
    }

    /// Whose it is.
    pub(crate) fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// Remembers that it was accepted.
    pub(crate) fn note_use(&self, now: Timestamp) {
        let now = now.timestamp_millis();
        if now - self.last_use.load(Ordering::Relaxed) >= USE_STEP {
            self.last_use.store(now, Ordering::Relaxed);
        }
    }
}
