//! Commits: the next generation, or an orphan.

use tokend_model::{
    ConnectionId, ConnectionStatus, Credential, Generation, RefreshHealth, Timestamp,
    WorkspaceName,
    ports::{Claim, CommitOutcome, Orphan, Renewed},
};

use super::{Defect, LateAnswer, Row, Tables};

impl Tables {
    pub(crate) fn commit(
        &mut self,
        claim: &Claim,
        renewed: &Renewed,
        now: Timestamp,
    ) -> CommitOutcome {
        let (defect, number) = (self.defect, self.orphans_made);
        let Some(row) = self
            .row_mut(&claim.workspace, &claim.connection_id)
            .filter(|row| !row.is_revoked())
        else {
            return CommitOutcome::Gone;
        };
        let credential = Credential {
            generation: claim.base.next(),
            ..renewed.credential.clone()
        };
        if row.is_next(claim, now) || defect == Some(Defect::NoFence) {
            row.store(credential, renewed.renewal_time);
            if renewed.supersedes_at_once {
                self.note_change(&claim.workspace, &claim.connection_id, now);
            }
            return CommitOutcome::Committed;
        }
        if row.has_committed(&credential) {
            return CommitOutcome::Committed;
        }
        if defect != Some(Defect::OrphansDropped) && !row.has_kept(claim, &credential) {
            let orphan = Orphan {
                id: format!("orphan-{number}"),
                tried: row.is_replaced(claim, &credential),
                credential,
            };
            row.orphans.push(LateAnswer {
                orphan,
                epoch: claim.epoch,
            });
            self.orphans_made += 1;
        }
        CommitOutcome::Orphaned
    }

    pub(crate) fn orphans(&self, workspace: &WorkspaceName, id: &ConnectionId) -> Vec<Orphan> {
        let late = self.row(workspace, id).map(|row| &row.orphans);
        let newest_first = late.into_iter().flatten().rev();
        newest_first.map(|late| late.orphan.clone()).collect()
    }

    pub(crate) fn mark_tried(&mut self, claim: &Claim, orphan: &str) {
        if let Some(row) = self.row_mut(&claim.workspace, &claim.connection_id)
            && let Some(late) = row.orphans.iter_mut().find(|late| late.orphan.id == orphan)
        {
            late.orphan.tried = true;
        }
    }

    pub(crate) fn previous_credential(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        before: Generation,
    ) -> Option<Credential> {
        let row = self.row(workspace, id)?;
        let previous = Generation(before.0.checked_sub(1)?);
        row.credentials.get(&previous).cloned()
    }
}

impl Row {
    fn is_next(&mut self, claim: &Claim, now: Timestamp) -> bool {
        self.can_refresh(claim.base)
            && self
                .claim
                .as_mut()
                .is_some_and(|standing| standing.commits(claim.epoch, now))
    }

    fn store(&mut self, credential: Credential, renewal_time: Option<Timestamp>) {
        let connection = &mut self.connection;
        let base = connection.generation;
        connection.generation = credential.generation;
        connection.status = ConnectionStatus::Authorized;
        connection.status_reason = String::new();
        connection.scopes.clone_from(&credential.scopes);
        connection.expiry = credential.expiry;
        connection.refresh_health = RefreshHealth::default();
        connection.refresh_time = credential.receive_time;
        connection.renewal_time = renewal_time;
        self.credentials.retain(|generation, _| *generation >= base);
        self.credentials.insert(credential.generation, credential);
    }

    /// Whether this very token set was committed before: a repetition is told the same again.
    fn has_committed(&self, credential: &Credential) -> bool {
        self.credentials
            .get(&credential.generation)
            .is_some_and(|stored| {
                stored.access_token == credential.access_token
                    && stored.refresh_token == credential.refresh_token
            })
    }

    /// Whether somebody consented anew since the claim: what it brought is of another grant, and spent.
    fn is_replaced(&self, claim: &Claim, credential: &Credential) -> bool {
        let anew = self.consented > claim.base && self.credentials.contains_key(&self.consented);
        anew || credential.receive_time < self.connection.authorize_time
    }

    /// Whether this attempt's token set is kept already.
    fn has_kept(&self, claim: &Claim, credential: &Credential) -> bool {
        self.orphans.iter().any(|late| {
            late.epoch == claim.epoch
                && late.orphan.credential.generation == credential.generation
                && late.orphan.credential.access_token == credential.access_token
        })
    }
}
