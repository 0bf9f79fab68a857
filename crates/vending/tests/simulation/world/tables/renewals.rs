//! What is due.

use std::collections::HashMap;

use chrono::TimeDelta;
use tokend_model::{
    Timestamp, WorkspaceName,
    ports::{DueRenewal, Share},
};

use super::Tables;

impl Tables {
    pub(crate) fn take_due(&mut self, share: Share, now: Timestamp) -> Vec<DueRenewal> {
        let mut due: Vec<DueRenewal> = self
            .rows
            .values()
            .filter(|row| !row.is_revoked())
            .filter_map(|row| {
                let due_time = row.connection.renewal_time.filter(|time| *time <= now)?;
                Some(DueRenewal {
                    workspace: row.connection.workspace.clone(),
                    connection_id: row.connection.id.clone(),
                    due_time,
                })
            })
            .collect();
        due.sort_by(|a, b| (a.due_time, &a.connection_id).cmp(&(b.due_time, &b.connection_id)));
        let mut taken: HashMap<WorkspaceName, u32> = HashMap::new();
        due.retain(|renewal| {
            let count = taken.entry(renewal.workspace.clone()).or_default();
            *count += 1;
            *count <= share.per_workspace
        });
        due.truncate(usize::try_from(share.limit).unwrap_or(usize::MAX));
        let put_off = now + TimeDelta::from_std(share.put_off).unwrap_or(TimeDelta::MAX);
        for renewal in &due {
            if let Some(row) = self.rows.get_mut(&renewal.connection_id) {
                row.connection.renewal_time = Some(put_off);
            }
        }
        due
    }
}
