//! Tokens in memory, so that a vend of a valid one asks nobody.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use dashmap::{DashMap, Entry};
use tokend_model::{ConnectionId, ConnectorId, IntegrationTypeName, Label, Owner, WorkspaceName};

use crate::{ConnectorRef, Target, Vended};

/// What a token in memory is found by: all that tells one caller's connection from another's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    workspace: WorkspaceName,
    connector: ConnectorRef,
    owner: Owner,
    label: Label,
    /// Which of the connection's tokens; empty for the main one.
    token: String,
}

/// The present credential of connections that were asked for.
#[derive(Default)]
pub(crate) struct Cache {
    entries: DashMap<CacheKey, Arc<Vended>>,
    /// Where a connection is, for those who know it by its id only.
    keys: DashMap<ConnectionId, CacheKey>,
    /// What connectors are of.
    types: DashMap<(WorkspaceName, ConnectorId), IntegrationTypeName>,
    removals: Removals,
}

/// The state of the cache when a row was about to be read: what is removed after that must not come back.
#[derive(Clone, Copy)]
pub(crate) struct BeforeRead(u64);

/// What was removed of late, by its number.
#[derive(Default)]
struct Removals {
    count: AtomicU64,
    latest: Mutex<VecDeque<Removed>>,
}

enum Removed {
    Key(CacheKey),
    Connection(ConnectionId),
    Connector(WorkspaceName, ConnectorId),
    All,
}

/// So many removals are remembered. A row whose reading took longer than that many is read again.
const REMEMBERED: usize = 1024;

impl Removals {
    /// To be called before anything is removed.
    fn note(&self, removed: Removed) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() == REMEMBERED {
            latest.pop_front();
        }
        latest.push_back(removed);
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether none since then was about this entry.
    fn spare(&self, before_read: BeforeRead, key: &CacheKey, vended: &Vended) -> bool {
        if self.count.load(Ordering::SeqCst) == before_read.0 {
            return true;
        }
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let since = self.count.load(Ordering::SeqCst) - before_read.0;
        let Ok(since) = usize::try_from(since) else {
            return false;
        };
        since <= latest.len()
            && latest
                .iter()
                .rev()
                .take(since)
                .all(|removed| match removed {
                    Removed::Key(removed) => removed != key,
                    Removed::Connection(id) => *id != vended.connection_id,
                    Removed::Connector(workspace, id) => {
                        *workspace != vended.workspace || *id != vended.connector_id
                    }
                    Removed::All => false,
                })
    }
}

impl CacheKey {
    /// The only place where a key is made from what a caller asks.
    pub(crate) fn of(target: &Target) -> Self {
        Self {
            workspace: target.workspace.clone(),
            connector: target.connector.clone(),
            owner: target.owner.clone(),
            label: target.label.clone(),
            token: target.token.clone(),
        }
    }
}

impl Cache {
    pub(crate) fn get(&self, key: &CacheKey) -> Option<Arc<Vended>> {
        self.entries.get(key).map(|entry| entry.clone())
    }

    /// To be called before the row is read that will be [`put`](Self::put) in.
    pub(crate) fn before_read(&self) -> BeforeRead {
        BeforeRead(self.removals.count.load(Ordering::SeqCst))
    }

    /// Puts a credential in, unless it was removed since its row was read, or a newer one is there already.
    pub(crate) fn put(&self, key: CacheKey, vended: &Arc<Vended>, before_read: BeforeRead) {
        // Whoever removes by id must find the key from before removals are looked at.
        self.remember(&key, vended);
        // The entry is locked while removals are looked at, and these are noted before they lock: either the removal is
        // seen here, or it comes after and takes the entry out.
        match self.entries.entry(key) {
            Entry::Occupied(mut present) => {
                let stale = present.get().connection_id == vended.connection_id
                    && present.get().generation > vended.generation;
                if !stale && self.removals.spare(before_read, present.key(), vended) {
                    present.insert(vended.clone());
                }
            }
            Entry::Vacant(place) => {
                if self.removals.spare(before_read, place.key(), vended) {
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
        self.removals.note(Removed::Key(key.clone()));
        if let Some((_, entry)) = self.entries.remove(key) {
            self.keys.remove(&entry.connection_id);
        }
    }

    /// What is remembered of one connection.
    pub(crate) fn of_connection(&self, id: &ConnectionId) -> Option<Arc<Vended>> {
        let key = self.keys.get(id)?.clone();
        self.get(&key).filter(|entry| entry.connection_id == *id)
    }

    /// Forgets one connection.
    pub(crate) fn forget_connection(&self, id: &ConnectionId) {
        self.removals.note(Removed::Connection(id.clone()));
        if let Some((_, key)) = self.keys.remove(id) {
            self.entries
                .remove_if(&key, |_, entry| entry.connection_id == *id);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.removals.note(Removed::All);
        self.entries.clear();
        self.keys.clear();
        self.types.clear();
    }

    pub(crate) fn type_of(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectorId,
    ) -> Option<IntegrationTypeName> {
        let known = self.types.get(&(workspace.clone(), id.clone()))?;
        Some(known.clone())
    }

    /// Puts a connector's integration type in, unless anything was removed since its row was read: it may be another
    /// one by now.
    pub(crate) fn put_type(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectorId,
        name: &IntegrationTypeName,
        before_read: BeforeRead,
    ) {
        let key = (workspace.clone(), id.clone());
        let place = self.types.entry(key);
        if self.removals.count.load(Ordering::SeqCst) == before_read.0 {
            place.insert(name.clone());
        }
    }

    /// Forgets everything under a connector, after it was changed or removed.
    pub(crate) fn forget_connector(&self, workspace: &WorkspaceName, connector_id: &ConnectorId) {
        self.removals
            .note(Removed::Connector(workspace.clone(), connector_id.clone()));
        self.types
            .remove(&(workspace.clone(), connector_id.clone()));
        self.entries.retain(|key, entry| {
            let stays = key.workspace != *workspace || entry.connector_id != *connector_id;
            if !stays {
                self.keys.remove(&entry.connection_id);
            }
            stays
        });
    }
}
