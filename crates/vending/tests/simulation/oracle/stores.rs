//! What goes into the database: I-2, I-5, P-13, P-30.

use std::sync::atomic::Ordering;

use tokend_model::{
    ConnectionStatus, Credential, RawTokenAnswer, Secret, Timestamp,
    ports::{Claim, ClaimOutcome, ClaimRequest, CommitOutcome, RefreshFailure, Renewed},
};

use crate::world::{World, tables::Tables};

impl World {
    pub(crate) fn note_claim(&self, _request: &ClaimRequest, outcome: &ClaimOutcome) {
        if let ClaimOutcome::Claimed(claimed) = outcome
            && claimed.claim.epoch > 1
            && claimed.uncertain_since.is_some()
        {
            self.oracle.counts.takeovers.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn note_journaled(&self, answer: &RawTokenAnswer) {
        let object: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if let Some(token) = object["access_token"].as_str()
            && let Some(issued) = self.provider().answer_of(token)
        {
            issued.journaled = true;
        }
    }

    pub(crate) fn note_commit(
        &self,
        tables: &Tables,
        claim: &Claim,
        renewed: &Renewed,
        outcome: CommitOutcome,
        now: Timestamp,
    ) {
        let id = &claim.connection_id;
        if renewed.credential.generation != claim.base.next() {
            let (generation, base) = (renewed.credential.generation.0, claim.base.0);
            self.violated("I-2", &format!("{id}: {generation} follows {base}"));
        }
        let subject = self.subjects().get(id).copied();
        self.check_content(id.as_str(), subject, &renewed.credential);
        let counts = &self.oracle.counts;
        let mut provider = self.provider();
        let Some(answer) = provider.answer_of(renewed.credential.access_token.expose()) else {
            return;
        };
        let is_new = answer.stored.is_none();
        match outcome {
            CommitOutcome::Committed => {
                let present = tables.rows.get(id).and_then(|row| row.present.as_ref());
                let fits = present.is_some_and(|present| present.generation > claim.base);
                answer.stored = answer.stored.or(Some(now));
                answer.committed = true;
                counts
                    .refreshes
                    .fetch_add(u64::from(is_new), Ordering::Relaxed);
                drop(provider);
                if !fits {
                    self.violated("I-2", &format!("{id} went back"));
                }
            }
            CommitOutcome::Orphaned => {
                let kept = tables.defect != Some(crate::world::tables::Defect::OrphansDropped);
                answer.stored = answer.stored.or(kept.then_some(now));
                counts
                    .orphans
                    .fetch_add(u64::from(is_new), Ordering::Relaxed);
            }
            CommitOutcome::Gone => {}
        }
    }

    pub(crate) fn note_failure(
        &self,
        tables: &Tables,
        claim: &Claim,
        failure: &RefreshFailure,
        now: Timestamp,
    ) {
        let id = &claim.connection_id;
        match (failure.status, failure.renewal_time) {
            (ConnectionStatus::Error, None) => {}
            (ConnectionStatus::Error, Some(_)) => {
                self.violated("P-14", &format!("{id} needs a person and is still renewed"));
            }
            (_, None) => self.violated("P-30", &format!("{id} is never renewed again")),
            (_, Some(_)) => {}
        }
        if failure.status != ConnectionStatus::Error {
            return;
        }
        let Some(row) = tables.rows.get(id) else {
            return;
        };
        let known = row.orphans.iter().map(|orphan| &orphan.credential);
        let provider = self.provider();
        let living = known
            .chain(&row.present)
            .filter_map(|credential| credential.refresh_token.as_ref())
            .map(Secret::expose)
            .find(|token| provider.accepts(token, now))
            .map(str::to_owned);
        drop(provider);
        if let Some(token) = living {
            self.violated("I-5", &format!("{id} is ended while {token} lives"));
        }
    }

    /// A token set is stored as it was issued, for the connection whose grant it is of.
    fn check_content(&self, id: &str, subject: Option<usize>, credential: &Credential) {
        let provider = self.provider();
        let access_token = credential.access_token.expose();
        let Some(access) = provider.access_tokens.get(access_token) else {
            drop(provider);
            return self.violated("P-13", &format!("{id}: {access_token} was never issued"));
        };
        let answer = &provider.answers[access.answer];
        let owner = Some(provider.grants[access.grant].subject);
        let token = credential.refresh_token.as_ref().map(Secret::expose);
        // Where none came the one that bought it stays.
        let expected = answer.refresh_token.as_deref().or(answer.parent.as_deref());
        let (fits, owned) = (token == expected, owner == subject);
        let what = format!("{id}: {access_token} with {token:?} instead of {expected:?}");
        drop(provider);
        if !fits {
            self.violated("P-13", &what);
        }
        if !owned {
            self.violated(
                "P-01",
                &format!("{id} gets the token of another connection"),
            );
        }
    }
}
