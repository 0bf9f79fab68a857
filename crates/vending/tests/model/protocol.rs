//! The steps of one refresh attempt (section 3.4), from the claim to the commit.

use crate::{
    policy::Plan,
    state::{
        Accusation, Attempt, Claim, Orphan, Phase, Previous, Process, Recorded, Replica, Source,
        State, Status, Uncertainty,
    },
    variants::{Configuration, Policy, Variant},
};

impl Configuration {
    pub(crate) fn begin(&self, state: &State, replica: usize) -> Option<State> {
        let idle = Replica {
            process: Process::Running,
            attempt: None,
            journal: None,
        };
        if state.replicas[replica] != idle
            || !state.database.up
            || state.database.status != Status::Authorized
        {
            return None;
        }
        if !self.may_recover(&state.database) {
            return None;
        }
        let mut next = state.clone();
        let database = &mut next.database;
        let mut taken_over = false;
        if let Some(claim) = database.claim {
            if !self.may_take_over(database, claim, claim.holder == replica) {
                return None;
            }
            note_uncertainty(&mut next, claim.age);
            taken_over = true;
        }
        match self.plan(&next.database) {
            Plan::Wait => return taken_over.then_some(next),
            Plan::GiveUp => {
                next.database.status = Status::Error {
                    rotation_lost: next.database.uncertainty.is_some(),
                };
            }
            Plan::Promote(place) => {
                let orphan = next.database.orphans[place];
                next.database.orphans[place].tried = true;
                self.advance(&mut next, orphan.token, orphan.base);
            }
            Plan::Present {
                token,
                source,
                recovery,
            } => {
                if let Some(uncertainty) = &mut next.database.uncertainty {
                    uncertainty.last_chance_taken =
                        self.is(Variant::SingleLastChance) && self.policy == Policy::Strict;
                }
                next.database.claim = Some(Claim {
                    holder: replica,
                    age: 0,
                    silence: 0,
                });
                next.replicas[replica].attempt = Some(Attempt {
                    phase: Phase::Claimed,
                    presents: token,
                    source,
                    base: next.database.generation,
                    recovery,
                    age: 0,
                    silence: 0,
                });
            }
        }
        Some(next)
    }

    pub(crate) fn check(&self, state: &State, replica: usize) -> Option<State> {
        let attempt = running(state, replica, Phase::Claimed)?;
        let ready = self.gap && self.may_send(&attempt) && self.may_go_on(state, replica, &attempt);
        ready.then(|| with_phase(state, replica, Phase::Checked))
    }

    pub(crate) fn send(&self, state: &State, replica: usize) -> Option<State> {
        let attempt = if self.gap {
            running(state, replica, Phase::Checked)?
        } else {
            let attempt = running(state, replica, Phase::Claimed)?;
            if !self.may_send(&attempt) || !self.may_go_on(state, replica, &attempt) {
                return None;
            }
            attempt
        };
        let mut next = with_phase(state, replica, Phase::Sent);
        let in_gap = |age: u8| self.gap && age >= self.deadline;
        let in_flight =
            |token, age| token == attempt.presents && !in_gap(age) && !in_gap(attempt.age);
        if self.policy == Policy::Strict {
            next.ledger.overlapped = state
                .strays
                .iter()
                .any(|stray| in_flight(stray.presents, stray.age))
                || state
                    .replicas
                    .iter()
                    .filter_map(|replica| replica.attempt)
                    .any(|other| {
                        other.phase == Phase::Sent && in_flight(other.presents, other.age)
                    });
        }
        let again = state.ledger.presented & 1 << attempt.presents != 0;
        next.ledger.unrecorded = again && !attempt.recovery && !in_gap(attempt.age);
        next.ledger.presented |= 1 << attempt.presents;
        Some(next)
    }

    pub(crate) fn withdraw(&self, state: &State, replica: usize) -> Option<State> {
        let attempt = running(state, replica, Phase::Claimed)?;
        let overtaken = !state.owns(replica) || self.is_overtaken(&state.database, &attempt);
        let ready =
            state.database.up && (!self.may_send(&attempt) || attempt.recovery && overtaken);
        ready.then(|| closed(state, replica))
    }

    pub(crate) fn record(&self, state: &State, replica: usize) -> Option<State> {
        let attempt = state.replicas[replica]
            .attempt
            .filter(|_| is_running(state, replica))?;
        let Phase::Answered(token) = attempt.phase else {
            return None;
        };
        let mut next = with_phase(state, replica, Phase::Recorded);
        next.replicas[replica].journal = Some(Recorded {
            token,
            base: attempt.base,
        });
        Some(next)
    }

    /// Commits what the journal holds, of this life or of one before.
    pub(crate) fn settle(&self, state: &State, replica: usize) -> Option<State> {
        let recorded = state.replicas[replica]
            .journal
            .filter(|_| is_running(state, replica))?;
        if !state.database.up {
            return None;
        }
        let mut next = closed(state, replica);
        next.replicas[replica].journal = None;
        let database = &state.database;
        let fenced_off = database
            .claim
            .is_some_and(|claim| claim.holder != replica && claim.age < self.deadline);
        if self.is(Variant::BlindWrite) {
            self.advance(&mut next, recorded.token, recorded.base);
        } else if matches!(database.status, Status::Deleted { .. }) {
            next.provider.revoke(recorded.token, self.class);
        } else if recorded.base == database.generation && !fenced_off {
            self.advance(&mut next, recorded.token, recorded.base);
        } else if self.is(Variant::LosingAnswerDropped) {
            return Some(next);
        } else {
            next.database.orphans.push(Orphan {
                token: recorded.token,
                base: recorded.base,
                tried: false,
            });
        }
        next.ledger.settled |= 1 << recorded.token;
        Some(next)
    }

    /// An `invalid_grant` is an accusation: confirmed once, then the fallbacks, and only then ERROR.
    pub(crate) fn judge(&self, state: &State, replica: usize) -> Option<State> {
        let attempt = running(state, replica, Phase::Refused)?;
        if !state.database.up {
            return None;
        }
        let owns = state.owns(replica);
        let mut next = closed(state, replica);
        let database = &mut next.database;
        if !owns || database.generation != attempt.base || database.status != Status::Authorized {
            return Some(next);
        }
        match attempt.source {
            Source::Current => {}
            Source::Orphan => database
                .orphans
                .iter_mut()
                .filter(|orphan| orphan.token == attempt.presents)
                .for_each(|orphan| orphan.tried = true),
            Source::Previous => {
                if let Some(previous) = &mut database.previous {
                    previous.tried = true;
                }
            }
        }
        let suspect = Accusation::Suspect {
            wait: self.confirmation_delay(database),
        };
        let fallback = self.fallback(database).is_some();
        let orphans_first = self.is(Variant::OrphansBeforeConfirmation);
        let confirmed = !orphans_first || matches!(database.accusation, Accusation::Suspect { .. });
        match (attempt.source, database.accusation) {
            (Source::Current, Accusation::None) if !(orphans_first && fallback) => {
                database.accusation = suspect
            }
            _ if fallback => database.accusation = Accusation::Confirmed,
            _ if !confirmed => database.accusation = suspect,
            _ => {
                database.status = Status::Error {
                    rotation_lost: database.uncertainty.is_some(),
                };
            }
        }
        Some(next)
    }

    pub(crate) fn admit(&self, state: &State, replica: usize) -> Option<State> {
        let attempt = running(state, replica, Phase::Unknown)?;
        if !state.database.up {
            return None;
        }
        let mut next = closed(state, replica);
        if state.owns(replica) {
            note_uncertainty(&mut next, attempt.age);
        }
        Some(next)
    }

    /// The compare-and-swap succeeded, or an orphan takes its place: the next generation.
    fn advance(&self, state: &mut State, token: u8, base: u8) {
        let database = &mut state.database;
        state.ledger.misplaced |= base != database.generation;
        state.ledger.revived |= matches!(database.status, Status::Deleted { .. });
        database.previous = Some(Previous {
            token: database.current,
            age: 0,
            tried: false,
        });
        database.status = Status::Authorized;
        database.generation = base + 1;
        database.current = token;
        database.access = self.life();
        database.vended = false;
        database.claim = None;
        database.uncertainty = None;
        database.accusation = Accusation::None;
    }

    /// A recovery reads the row once more right before it sends; an ordinary attempt does not need the database.
    fn may_go_on(&self, state: &State, replica: usize, attempt: &Attempt) -> bool {
        !attempt.recovery
            || state.database.up
                && state.owns(replica)
                && !self.is_overtaken(&state.database, attempt)
    }
}

pub(crate) fn is_running(state: &State, replica: usize) -> bool {
    state.replicas[replica].process == Process::Running
}

/// The attempt of a running replica, if it is in this phase.
fn running(state: &State, replica: usize, phase: Phase) -> Option<Attempt> {
    let attempt = state.replicas[replica]
        .attempt
        .filter(|_| is_running(state, replica))?;
    (attempt.phase == phase).then_some(attempt)
}

pub(crate) fn with_phase(state: &State, replica: usize, phase: Phase) -> State {
    let mut next = state.clone();
    if let Some(attempt) = &mut next.replicas[replica].attempt {
        attempt.phase = phase;
    }
    next
}

/// The attempt is over, and so is its claim if it still holds it. A replayed journal closes the claim of the life before.
fn closed(state: &State, replica: usize) -> State {
    let mut next = state.clone();
    next.replicas[replica].attempt = None;
    next.database.claim = state.database.claim.filter(|claim| claim.holder != replica);
    next
}

/// From now on nobody knows whether the present refresh token was redeemed.
fn note_uncertainty(state: &mut State, age: u8) {
    let database = &mut state.database;
    database.claim = None;
    let before = database.uncertainty;
    database.uncertainty = Some(Uncertainty {
        first: before.map_or(age, |before| before.first),
        latest: age,
        last_chance_taken: before.is_some_and(|before| before.last_chance_taken),
    });
}
