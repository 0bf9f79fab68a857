//! Calls to the provider: I-1, P-04, P-12, P-14.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;

use crate::{
    load::{fleet::CLAIM_MARGIN, people},
    world::{
        World,
        ports::CALL_TIME,
        process::Process,
        provider::{Flight, GrantEnd},
    },
};

impl World {
    /// A process sends a refresh token.
    pub(crate) fn begin_call(&self, process: &Arc<Process>, token: &str) -> u64 {
        let holder = process.holder.to_string();
        self.trace.write(|| format!("{holder} presents {token}"));
        let now = self.now();
        let (subject, overlapping, waits) = {
            let provider = self.provider();
            let subject = provider
                .grant_of(token)
                .map(|grant| provider.grants[grant].subject);
            let flights = provider.flights.get(token);
            // What a dead process sent may still be carried out.
            let under_way = |flight: &Flight| now - flight.begun < delta(CALL_TIME);
            let overlapping = flights.is_some_and(|flights| flights.iter().any(under_way));
            let client = subject.map(|subject| (process.number, people::workspace(subject)));
            let waits = client.and_then(|client| provider.waits.get(&client).copied());
            (subject, overlapping, waits)
        };
        if subject.is_none() {
            self.violated("P-13", &format!("{token} was never issued"));
        }
        if let Some(until) = waits.filter(|until| *until > now) {
            let early = until - now;
            self.violated(
                "P-12",
                &format!("{holder} calls {early} before Retry-After"),
            );
        }
        let known_for = {
            let pauses = self.oracle.pauses();
            let own = subject.map(people::workspace);
            let mut broken = pauses.iter().filter(|pause| {
                Some(&pause.workspace) == own.as_ref()
                    && pause.until > now
                    && now - pause.known >= delta(CLAIM_MARGIN)
            });
            broken.next().map(|pause| now - pause.known)
        };
        if let Some(since) = known_for {
            let what = format!("{holder} calls in a pause on record for {since}");
            self.violated("P-12", &what);
        }
        if self.is_strict() {
            if overlapping {
                self.violated("I-1", &format!("{token} is redeemed twice at once"));
            }
            let holds = self
                .subjects()
                .iter()
                .filter(|(_, of)| Some(**of) == subject)
                .any(|(id, _)| self.tables().is_held_by(id, &holder));
            if !holds && !self.is_gone(subject) {
                self.violated("P-04", &format!("{holder} calls without a claim"));
            }
        }
        let mut provider = self.provider();
        let number = provider.next_call();
        let flight = Flight { number, begun: now };
        provider
            .flights
            .entry(token.to_owned())
            .or_default()
            .push(flight);
        number
    }

    pub(crate) fn end_call(&self, token: &str, number: u64) {
        let mut provider = self.provider();
        if let Some(flights) = provider.flights.get_mut(token) {
            flights.retain(|flight| flight.number != number);
        }
    }

    /// The provider told a process to wait with the client whose token it was.
    pub(crate) fn note_wait(&self, process: &Process, token: &str, pause: Duration) {
        let until = self.now() + delta(pause);
        let mut provider = self.provider();
        let Some(grant) = provider.grant_of(token) else {
            return;
        };
        let workspace = people::workspace(provider.grants[grant].subject);
        let waits = provider.waits.entry((process.number, workspace));
        let waits = waits.or_insert(until);
        *waits = (*waits).max(until);
    }

    /// The provider refused a refresh token, with cause.
    pub(crate) fn note_refusal(&self, token: &str) {
        let mut provider = self.provider();
        let Some(grant) = provider.grant_of(token) else {
            return;
        };
        let grant = &mut provider.grants[grant];
        if grant.end == Some(GrantEnd::User) {
            grant.refusals_after_end += 1;
        }
    }

    /// A provider refuses a living refresh token wrongly once in a while, not again and again.
    pub(crate) fn may_refuse_without_cause(&self, token: &str) -> bool {
        let now = self.now();
        let mut provider = self.provider();
        let Some(grant) = provider.grant_of(token) else {
            return false;
        };
        let last = &mut provider.grants[grant].spurious_refusal;
        if last.is_some_and(|last| now - last < TimeDelta::minutes(20)) {
            return false;
        }
        *last = Some(now);
        true
    }

    /// Whether the connection was deleted: who is in the middle of a call does not know yet.
    fn is_gone(&self, subject: Option<usize>) -> bool {
        let subjects = self.subjects();
        let mut ids = subjects.iter().filter(|(_, of)| Some(**of) == subject);
        ids.any(|(id, _)| self.oracle.deleted().contains_key(id))
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
