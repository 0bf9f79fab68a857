//! What the ledger is made of: the events, the secrets that were seen, and the refreshes in flight.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

use crate::{
    clock,
    event::{Event, FamilyId, Fingerprint, Happening},
};

/// The written record of one provider.
pub(crate) struct Books {
    started: Instant,
    events: Vec<Event>,
    secrets: BTreeSet<String>,
    in_flight: HashMap<Fingerprint, usize>,
}

impl Books {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            events: Vec::new(),
            secrets: BTreeSet::new(),
            in_flight: HashMap::new(),
        }
    }

    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(String::as_str)
    }

    /// Writes down what happened.
    pub(crate) fn note(&mut self, what: Happening) {
        let sequence = self.events.len() as u64 + 1;
        self.events.push(Event {
            sequence,
            at: clock::now(),
            elapsed: self.started.elapsed(),
            what,
        });
    }

    /// Writes down a value that nobody may find in a log or a database.
    pub(crate) fn keep_secret(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.secrets.insert(secret.to_owned());
        }
    }

    /// A request with this refresh token has arrived.
    pub(crate) fn refresh_started(&mut self, refresh_token: Fingerprint, family: Option<FamilyId>) {
        let in_flight = self.in_flight.entry(refresh_token.clone()).or_insert(0);
        let overlapping = *in_flight;
        *in_flight += 1;
        self.note(Happening::RefreshStarted {
            refresh_token,
            family,
            overlapping,
        });
    }

    /// That request is over.
    pub(crate) fn refresh_finished(
        &mut self,
        refresh_token: Fingerprint,
        family: Option<FamilyId>,
    ) {
        if let Some(in_flight) = self.in_flight.get_mut(&refresh_token) {
            *in_flight = in_flight.saturating_sub(1);
        }
        self.note(Happening::RefreshFinished {
            refresh_token,
            family,
        });
    }
}
