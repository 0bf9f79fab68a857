//! When all is calm again: P-01, P-02, P-14, I-4, I-6, I-9.

use std::sync::atomic::Ordering;

use tokend_model::{Connection, ConnectionStatus};

use super::CLAIM_TIME;
use crate::world::{
    World,
    provider::{Grant, GrantEnd},
};

/// How a connection came out at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A renewed token was vended, and works.
    Healthy,
    /// Nobody could get one.
    Unusable,
}

impl World {
    /// What became of a connection that is there at the end.
    pub(crate) fn judge(&self, subject: usize, connection: &Connection, outcome: Outcome) {
        let (id, status) = (&connection.id, connection.status);
        let provider = self.provider();
        let newest = provider
            .grants
            .iter()
            .rposition(|grant| grant.subject == subject);
        let Some(grant) = newest else { return };
        let (end, refusals) = {
            let grant = &provider.grants[grant];
            (grant.end, grant.refusals_after_end)
        };
        let explained = provider.answers.iter().any(|answer| {
            let kept = answer
                .stored
                .is_some_and(|stored| stored - answer.begun <= CLAIM_TIME);
            answer.grant == grant && answer.refresh_token.is_some() && !kept
        });
        drop(provider);
        let said = format!("{id} is {status:?} ({})", connection.status_reason);
        match (end, outcome) {
            (Some(GrantEnd::User), _) => {
                if status != ConnectionStatus::Error {
                    self.violated("P-14", &format!("{said} though its user ended it"));
                }
                // One whose process died before it wrote it down is asked for once more.
                if u64::from(refusals) > 20 + self.oracle.counts.crashes.load(Ordering::Relaxed) {
                    self.violated("P-14", &format!("{id} was refused {refusals} times"));
                }
            }
            (_, Outcome::Healthy) if status != ConnectionStatus::Authorized => {
                self.violated("I-9", &format!("{said} though its token works"));
            }
            (_, Outcome::Healthy) => {}
            (_, Outcome::Unusable) if self.plan.never_loses() => {
                self.violated("P-01", &format!("{said}, lost"));
            }
            (_, Outcome::Unusable) => {
                self.oracle.counts.lost.fetch_add(1, Ordering::Relaxed);
                if status != ConnectionStatus::Error {
                    self.violated("P-02", &format!("{said}, lost and not reported"));
                }
                if !explained {
                    self.violated("P-02", &format!("{said}, lost without a cause"));
                }
            }
        }
    }

    /// What was deleted stays away, and its grant is over.
    pub(crate) fn judge_deleted(&self) {
        let deleted = self.oracle.deleted().clone();
        let finished = self.plan.lets_people_finish();
        for id in deleted.keys() {
            if self.tables().rows.contains_key(id) {
                self.violated("I-6", &format!("{id} is there again"));
            }
            let lives = {
                let provider = self.provider();
                let of_connection = |grant: &&Grant| grant.connection.as_ref() == Some(id);
                let newest = provider.grants.iter().rev().find(of_connection);
                newest.is_some_and(|grant| grant.end.is_none())
            };
            if finished && lives {
                self.violated("I-6", &format!("the grant of {id} outlives it"));
            }
        }
    }

    /// Every answer with a new refresh token was kept, unless it went down with its process.
    pub(crate) fn judge_answers(&self) {
        let journaled = self.journaled();
        let dropped: Vec<String> = {
            let provider = self.provider();
            let answers = provider.answers.iter().filter(|answer| {
                let reached = answer.delivered_to.as_ref();
                let alive = reached.is_some_and(|process| !process.is_dead());
                let grant = &provider.grants[answer.grant];
                let revoked = grant.end == Some(GrantEnd::Revoked) || grant.out_of_reach;
                answer.refresh_token.is_some()
                    && answer.stored.is_none()
                    && (alive || answer.journaled)
                    && !revoked
            });
            answers
                .map(|answer| answer.access_token.clone())
                .filter(|token| {
                    let name = token.as_bytes();
                    !journaled.iter().any(|page| contains(page, name))
                })
                .collect()
        };
        for token in dropped {
            self.violated("I-4", &format!("the answer with {token} was dropped"));
        }
    }
}

fn contains(page: &[u8], name: &[u8]) -> bool {
    page.windows(name.len()).any(|window| window == name)
}
