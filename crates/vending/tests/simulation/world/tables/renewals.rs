//! What is due.

use std::{collections::HashMap, time::Duration};

use tokend_model::{
    SILENCE, Timestamp, WorkspaceName,
    ports::{DueRenewal, Share},
};

use super::{Row, Standing, Tables, delta};

impl Tables {
    pub(crate) fn take_due(
        &mut self,
        share: Share,
        enough: &[WorkspaceName],
        now: Timestamp,
    ) -> Vec<DueRenewal> {
        let mut due: Vec<DueRenewal> = self
            .rows
            .values()
            .filter(|row| !enough.contains(&row.connection.workspace))
            .filter_map(|row| {
                let due_time = row.connection.renewal_time.filter(|time| *time <= now)?;
                Some(DueRenewal {
                    workspace: row.connection.workspace.clone(),
                    connection_id: row.connection.id.clone(),
                    due_time,
                    next_time: due_time,
                    is_pressing: row.is_pressing(),
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
        for renewal in &mut due {
            let put_off = match renewal.is_pressing {
                true => share.put_off.min(SILENCE),
                false => share.put_off,
            };
            renewal.next_time = now + delta(put_off);
            if let Some(row) = self.rows.get_mut(&renewal.connection_id) {
                row.connection.renewal_time = Some(renewal.next_time);
            }
        }
        due
    }

    pub(crate) fn put_off(&mut self, taken: &DueRenewal, wait: Duration, now: Timestamp) {
        let row = self.row_mut(&taken.workspace, &taken.connection_id);
        if let Some(row) = row
            && row.connection.renewal_time == Some(taken.next_time)
        {
            row.connection.renewal_time = Some(now + delta(wait));
        }
    }
}

impl Row {
    /// Whether its refresh token is in somebody's hands, or in doubt: a window may be about to close.
    fn is_pressing(&self) -> bool {
        let is_open = self.claim.as_ref().is_some_and(Standing::is_open);
        is_open || self.connection.refresh_health.uncertain_since.is_some()
    }
}
