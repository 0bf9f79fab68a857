//! What the ledger is made of: the events and their counts, the secrets that were seen, and the refreshes in flight.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Instant,
};

use crate::{
    clock,
    event::{Event, FamilyId, Happening},
    fingerprint::Fingerprint,
    tallies::{Tallies, keep_latest},
};

/// The written record of one provider.
pub(crate) struct Books {
    started: Instant,
    sequence: u64,
    events: VecDeque<Event>,
    kept_events: usize,
    tallies: Tallies,
    secrets: Option<BTreeSet<String>>,
    in_flight: HashMap<Fingerprint, usize>,
}

impl Books {
    /// Empty books that will keep so many events, and secrets if wanted.
    pub(crate) fn new(kept_events: usize, keeps_secrets: bool) -> Self {
        Self {
            started: Instant::now(),
            sequence: 0,
            events: VecDeque::new(),
            kept_events,
            tallies: Tallies::default(),
            secrets: keeps_secrets.then(BTreeSet::new),
            in_flight: HashMap::new(),
        }
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter()
    }

    /// How many events there were, kept or not.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(crate) fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().flatten().map(String::as_str)
    }

    /// Writes down what happened.
    pub(crate) fn note(&mut self, what: Happening) {
        self.sequence += 1;
        let elapsed = self.started.elapsed();
        self.tallies.count(&what, elapsed, self.kept_events);
        let event = Event {
            sequence: self.sequence,
            at: clock::now(),
            elapsed,
            what,
        };
        keep_latest(&mut self.events, event, self.kept_events);
    }

    /// Writes down a value that nobody may find in a log or a database.
    pub(crate) fn keep_secret(&mut self, secret: &str) {
        if let Some(secrets) = self.secrets.as_mut().filter(|_| !secret.is_empty()) {
            secrets.insert(secret.to_owned());
        }
    }

    /// A request with this refresh token has arrived.
    pub(crate) fn refresh_started(&mut self, refresh_token: Fingerprint, family: Option<FamilyId>) {
        let in_flight = self.in_flight.entry(refresh_token).or_insert(0);
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
            if *in_flight == 0 {
                self.in_flight.remove(&refresh_token);
            }
        }
        self.note(Happening::RefreshFinished {
            refresh_token,
            family,
        });
    }
}
