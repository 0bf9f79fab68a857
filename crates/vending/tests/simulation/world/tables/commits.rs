//! Commits: the next generation, or an orphan.

use tokend_model::{
    ConnectionId, ConnectionStatus, Credential, RefreshHealth, Timestamp, WorkspaceName,
    ports::{Claim, CommitOutcome, Orphan, Renewed},
};

use super::{Defect, Tables};

impl Tables {
    pub(crate) fn commit(
        &mut self,
        claim: &Claim,
        renewed: &Renewed,
        now: Timestamp,
    ) -> CommitOutcome {
        let (defect, number) = (self.defect, self.orphans_made);
        let Some(row) = self.row_mut(&claim.workspace, &claim.connection_id) else {
            return CommitOutcome::Gone;
        };
        if row.is_revoked() {
            return CommitOutcome::Gone;
        }
        if let Some(&outcome) = row.outcomes.get(&claim.epoch) {
            return outcome;
        }
        let credential = Credential {
            generation: claim.base.next(),
            ..renewed.credential.clone()
        };
        let others = row
            .claim
            .as_ref()
            .is_some_and(|open| open.epoch != claim.epoch && open.is_live(now));
        let first = row.connection.generation == claim.base && !others;
        let outcome = match first || defect == Some(Defect::NoFence) {
            true => CommitOutcome::Committed,
            false => CommitOutcome::Orphaned,
        };
        row.outcomes.insert(claim.epoch, outcome);
        if outcome == CommitOutcome::Orphaned {
            if defect != Some(Defect::OrphansDropped) {
                row.orphans.push(Orphan {
                    id: format!("orphan-{number}"),
                    credential,
                    tried: false,
                });
            }
            self.orphans_made += 1;
            return outcome;
        }
        if let Some(open) = &mut row.claim {
            open.open = false;
        }
        let connection = &mut row.connection;
        connection.generation = credential.generation;
        connection.status = ConnectionStatus::Authorized;
        connection.status_reason = String::new();
        connection.scopes.clone_from(&credential.scopes);
        connection.expiry = credential.expiry;
        connection.refresh_health = RefreshHealth::default();
        connection.refresh_time = credential.receive_time;
        connection.renewal_time = renewed.renewal_time;
        row.previous = row.present.replace(credential);
        if renewed.supersedes_at_once {
            self.note_change(&claim.workspace, &claim.connection_id, now);
        }
        outcome
    }

    pub(crate) fn orphans(&self, workspace: &WorkspaceName, id: &ConnectionId) -> Vec<Orphan> {
        let row = self.row(workspace, id);
        row.map(|row| row.orphans.iter().rev().cloned().collect())
            .unwrap_or_default()
    }

    pub(crate) fn mark_tried(&mut self, claim: &Claim, orphan: &str) {
        if let Some(row) = self.row_mut(&claim.workspace, &claim.connection_id)
            && let Some(orphan) = row.orphans.iter_mut().find(|row| row.id == orphan)
        {
            orphan.tried = true;
        }
    }

    pub(crate) fn previous_credential(&self, claim: &Claim) -> Option<Credential> {
        let row = self.row(&claim.workspace, &claim.connection_id)?;
        row.previous.clone()
    }
}
