//! Tokens in memory, so that a vend of a valid one asks nobody.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use dashmap::{DashMap, Entry};
use tokend_model::{ConnectionId, ConnectorId, Label, Owner, WorkspaceName};

use crate::{ConnectorRef, Target, Vended};

/// What a token in memory is found by: all that tells one caller's connection from another's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    workspace: WorkspaceName,
    connector: ConnectorRef,
    owner: Owner,
    label: Label,
}

/// The present credential of connections that were asked for.
#[derive(Default)]
pub(crate) struct Cache {
    entries: DashMap<CacheKey, Arc<Vended>>,
    /// Where a connection is, for those who know it by its id only.
    keys: DashMap<ConnectionId, CacheKey>,
    removals: AtomicU64,
}

/// The state of the cache when a row was about to be read: what is removed after that must not come back.
#[derive(Clone, Copy)]
pub(crate) struct BeforeRead(u64);

impl CacheKey {
    /// The only place where a key is made from what a caller asks.
    pub(crate) fn of(target: &Target) -> Self {
        Self {
            workspace: target.workspace.clone(),
            connector: target.connector.clone(),
            owner: target.owner.clone(),
            label: target.label.clone(),
        }
    }
}

impl Cache {
    pub(crate) fn get(&self, key: &CacheKey) -> Option<Arc<Vended>> {
        self.entries.get(key).map(|entry| entry.clone())
    }

    /// To be called before the row is read that will be [`put`](Self::put) in.
    pub(crate) fn before_read(&self) -> BeforeRead {
        BeforeRead(self.removals.load(Ordering::SeqCst))
    }

    /// Puts a credential in, unless anything was removed since its row was read, or a newer one is there already.
    pub(crate) fn put(&self, key: CacheKey, vended: &Arc<Vended>, before_read: BeforeRead) {
        // The entry is locked while the count is compared, and removals count before they lock: either the
        // removal is seen here, or it comes after and takes the entry out.
        match self.entries.entry(key) {
            Entry::Occupied(mut present) => {
                let stale = present.get().connection_id == vended.connection_id
                    && present.get().generation > vended.generation;
                if !stale && self.nothing_removed_since(before_read) {
                    self.remember(present.key(), vended);
                    present.insert(vended.clone());
                }
            }
            Entry::Vacant(place) => {
                if self.nothing_removed_since(before_read) {
                    self.remember(place.key(), vended);
                    place.insert(vended.clone());
                }
            }
        }
    }

    fn remember(&self, key: &CacheKey, vended: &Vended) {
        let known = self
            .keys
            .get(&vended.connection_id)
            .is_some_and(|known| known.value() == key);
        if !known {
            self.keys.insert(vended.connection_id.clone(), key.clone());
        }
    }

    pub(crate) fn remove(&self, key: &CacheKey) {
        self.removals.fetch_add(1, Ordering::SeqCst);
        if let Some((_, entry)) = self.entries.remove(key) {
            self.keys.remove(&entry.connection_id);
        }
    }

    /// Forgets one connection.
    pub(crate) fn forget_connection(&self, id: &ConnectionId) {
        self.removals.fetch_add(1, Ordering::SeqCst);
        if let Some((_, key)) = self.keys.remove(id) {
            self.entries
                .remove_if(&key, |_, entry| entry.connection_id == *id);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.removals.fetch_add(1, Ordering::SeqCst);
        self.entries.clear();
        self.keys.clear();
    }

    /// Forgets everything under a connector, after it was changed or removed.
    pub(crate) fn forget_connector(&self, workspace: &WorkspaceName, connector_id: &ConnectorId) {
        self.removals.fetch_add(1, Ordering::SeqCst);
        self.entries.retain(|key, entry| {
            let stays = key.workspace != *workspace || entry.connector_id != *connector_id;
            if !stays {
                self.keys.remove(&entry.connection_id);
            }
            stays
        });
    }

    fn nothing_removed_since(&self, before_read: BeforeRead) -> bool {
        self.removals.load(Ordering::SeqCst) == before_read.0
    }
}
