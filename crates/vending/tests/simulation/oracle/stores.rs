//! What goes into the database: I-2, I-5, P-13, P-30.

use std::sync::atomic::Ordering;

use tokend_model::{
    ConnectionStatus, Credential, Generation, RawTokenAnswer, Secret, Timestamp,
    ports::{Claim, ClaimOutcome, CommitOutcome, RefreshFailure, Renewed},
};

use super::Pause;
use crate::world::{
    World,
    provider::Grant,
    tables::{Row, Tables},
};

impl World {
    /// A claim on a connection where an attempt was open, or not.
    pub(crate) fn note_claim(&self, was_open: bool, outcome: &ClaimOutcome) {
        if matches!(outcome, ClaimOutcome::Claimed(_)) && was_open {
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
        (tables, before): (&Tables, Option<Generation>),
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
        self.check_content(id.as_str(), subject, (&renewed.credential, outcome));
        let counts = &self.oracle.counts;
        let mut provider = self.provider();
        let Some(answer) = provider.answer_of(renewed.credential.access_token.expose()) else {
            return;
        };
        let is_new = answer.stored.is_none();
        match outcome {
            CommitOutcome::Committed => {
                answer.stored = answer.stored.or(Some(now));
                answer.committed = true;
                counts
                    .refreshes
                    .fetch_add(u64::from(is_new), Ordering::Relaxed);
                drop(provider);
                if is_new && before != Some(claim.base) {
                    self.violated(
                        "I-2",
                        &format!("{id}: {before:?} before {:?}", claim.base.next()),
                    );
                }
            }
            CommitOutcome::Orphaned => {
                let row = tables.rows.get(id);
                let kept = row.is_some_and(|row| row.keeps(&renewed.credential));
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
        if let Some((registration, until)) = &failure.pause {
            self.oracle.pauses().push(Pause {
                workspace: registration.workspace.clone(),
                known: now,
                until: *until,
            });
        }
        match (failure.status, failure.renewal_time) {
            (ConnectionStatus::Error, None) => {}
            (ConnectionStatus::Error, Some(_)) => {
                self.violated("P-14", &format!("{id} needs a person and is still renewed"));
            }
            (_, None) => self.violated("P-30", &format!("{id} is never renewed again")),
            (_, Some(_)) => {}
        }
        // What became of it counts: the store does not end a connection whose successor has come.
        let ended = |row: &&Row| row.connection.status == ConnectionStatus::Error;
        let Some(row) = tables.rows.get(id).filter(ended) else {
            return;
        };
        let known = row.orphans.iter().map(|late| &late.orphan.credential);
        let provider = self.provider();
        // What an earlier consent brought is nothing to go on with once its user has consented anew.
        let of_connection = |grant: &Grant| grant.connection.as_ref() == Some(id);
        let newest = provider.grants.iter().rposition(of_connection);
        let living = known
            .chain(row.present())
            .filter_map(|credential| credential.refresh_token.as_ref())
            .map(Secret::expose)
            .find(|token| provider.grant_of(token) == newest && provider.accepts(token, now))
            .map(str::to_owned);
        drop(provider);
        if let Some(token) = living {
            self.violated("I-5", &format!("{id} is ended while {token} lives"));
        }
    }

    /// A token set is stored as it was issued, for the connection whose grant it is of.
    fn check_content(
        &self,
        id: &str,
        subject: Option<usize>,
        (credential, outcome): (&Credential, CommitOutcome),
    ) {
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
        // Nor is there anything to keep where that is long gone from the database.
        let nothing_to_keep =
            outcome == CommitOutcome::Orphaned && answer.refresh_token.is_none() && token.is_none();
        let (fits, owned) = (token == expected || nothing_to_keep, owner == subject);
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
