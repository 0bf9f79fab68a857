//! Use counts, gathered in memory: vending a token writes nothing.

use dashmap::DashMap;
use tokend_model::{ConnectionId, ConnectionUse, Timestamp, WorkspaceName};

use crate::{Error, Vending};

/// Uses since the last flush, by connection.
#[derive(Default)]
pub(crate) struct Uses {
    pending: DashMap<ConnectionId, ConnectionUse>,
}

impl Uses {
    pub(crate) fn record(&self, workspace: &WorkspaceName, id: &ConnectionId, now: Timestamp) {
        if let Some(mut pending) = self.pending.get_mut(id) {
            pending.count += 1;
            pending.last_use_time = pending.last_use_time.max(now);
            return;
        }
        self.add(ConnectionUse {
            workspace: workspace.clone(),
            connection_id: id.clone(),
            count: 1,
            last_use_time: now,
        });
    }

    fn add(&self, used: ConnectionUse) {
        self.pending
            .entry(used.connection_id.clone())
            .and_modify(|pending| {
                pending.count += used.count;
                pending.last_use_time = pending.last_use_time.max(used.last_use_time);
            })
            .or_insert(used);
    }

    fn take(&self) -> Vec<ConnectionUse> {
        let ids: Vec<_> = self
            .pending
            .iter()
            .map(|entry| entry.key().clone())
            .collect();
        ids.iter()
            .filter_map(|id| self.pending.remove(id))
            .map(|(_, used)| used)
            .collect()
    }
}

impl Vending {
    /// Writes the uses gathered since the last flush, in one batch. What cannot be written is kept for the next.
    pub async fn flush_uses(&self) -> Result<(), Error> {
        let batch = self.shared.uses.take();
        if batch.is_empty() {
            return Ok(());
        }
        let connections = self.shared.ports.connections.clone();
        // In a task of its own: a flush must not be cut off with its transaction open.
        let written = self
            .shared
            .tasks
            .spawn(async move {
                let result = connections.record_uses(&batch).await;
                (result, batch)
            })
            .await;
        match written {
            Ok((Ok(()), _)) => Ok(()),
            Ok((Err(error), batch)) => {
                batch
                    .into_iter()
                    .for_each(|used| self.shared.uses.add(used));
                Err(error.into())
            }
            Err(_) => Err(Error::Internal),
        }
    }
}
