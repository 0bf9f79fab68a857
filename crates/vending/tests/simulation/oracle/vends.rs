//! What callers get: I-3, I-7, P-16, P-24.

use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use tokend_vending::Vended;

use crate::world::{World, process::Process};

impl World {
    /// A caller who asked for a connection got this, and uses it.
    pub(crate) fn note_vend(&self, process: &Process, subject: usize, vended: &Vended) {
        self.oracle.counts.vends.fetch_add(1, Ordering::Relaxed);
        let now = self.now();
        let token = vended.access_token.expose();
        let generation = vended.generation.0;
        self.trace.write(|| {
            let replica = process.holder.to_string();
            format!("{replica} vends {token} of {subject}, generation {generation}")
        });
        let deleted = self.oracle.deleted().get(&vended.connection_id).copied();
        let mut provider = self.provider();
        let Some(access) = provider.access_tokens.get(token) else {
            drop(provider);
            return self.violated("P-01", &format!("{token} was never issued"));
        };
        let owner = provider.grants[access.grant].subject;
        let late = now - access.expires;
        let answer = &provider.answers[access.answer];
        let durable = answer.stored.is_some()
            || answer.journaled && self.plan.facts.rotation.allows_use_before_commit();
        provider.use_access_token(token);
        drop(provider);
        if owner != subject {
            self.violated("I-7", &format!("{token} is of {owner}, not {subject}"));
        }
        if late > TimeDelta::seconds(5) {
            self.violated("P-16", &format!("{token} ran out {late} ago"));
        }
        if !durable {
            self.violated("I-3", &format!("{token} is vended before it is durable"));
        }
        if let Some(since) = deleted.filter(|since| now - *since > self.coherence()) {
            let late = now - since;
            self.violated(
                "P-24",
                &format!("{token} is vended {late} after disconnecting"),
            );
        }
    }

    /// How long after a disconnect a token may still be vended: longer while a replica cannot hear of it.
    fn coherence(&self) -> TimeDelta {
        let hears = self.plan.database_outage.is_none()
            && self.plan.faults.statement_fails == 0.0
            && self.plan.faults.outcome_unknown == 0.0
            && self.plan.faults.slow == 0.0
            && self.plan.faults.freeze == 0.0;
        match hears {
            true => TimeDelta::seconds(5),
            false => TimeDelta::minutes(15),
        }
    }
}
