//! The rules tokend decides by: when to take over, what to present, when it is too late to send.

use crate::{
    provider::Token,
    state::{Accusation, Attempt, Claim, Database, SILENCE, Source},
    variants::{Configuration, Policy, Variant},
};

/// What whoever may claim does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    Wait,
    /// Make the orphan at this place the present generation, without a call.
    Promote(usize),
    Present {
        token: Token,
        source: Source,
        recovery: bool,
    },
    GiveUp,
}

/// Ticks between a first refusal and its confirmation.
const CONFIRM_AFTER: u8 = 1;

impl Configuration {
    /// How long a first refusal waits for its confirmation: not until an overlap window has closed.
    pub(crate) fn confirmation_delay(&self, database: &Database) -> u8 {
        let in_window =
            matches!(self.policy, Policy::Overlap { .. }) && database.uncertainty.is_some();
        if in_window && !self.is(Variant::ConfirmedAfterWindow) {
            0
        } else {
            CONFIRM_AFTER
        }
    }

    /// Whether somebody else's attempt may be called abandoned at all: while the database was away nobody could say that he lives.
    pub(crate) fn may_recover(&self, database: &Database) -> bool {
        let recovers = database.claim.is_some() || database.uncertainty.is_some();
        !recovers || !database.just_back || self.is(Variant::TakeoverRightAfterOutage)
    }

    /// Whether an open claim of somebody who does not answer any more may be taken over.
    pub(crate) fn may_take_over(
        &self,
        database: &Database,
        claim: Claim,
        own_earlier: bool,
    ) -> bool {
        let first = database
            .uncertainty
            .map_or(claim.age, |uncertainty| uncertainty.first);
        let silent = claim.silence >= SILENCE;
        let early = match self.policy {
            Policy::StaysValid | Policy::UntilSuccessorUsed => silent,
            Policy::Overlap { window } => silent && first < Self::usable(window),
            Policy::Strict => silent && self.is(Variant::EarlyTakeover),
        };
        own_earlier || early || claim.age >= self.deadline
    }

    /// Whether the holder of this attempt may still send: it must not have been taken over in the meantime.
    pub(crate) fn may_send(&self, attempt: &Attempt) -> bool {
        let by_deadline = self.policy == Policy::Strict || self.is(Variant::DeadlineInsteadOfLease);
        attempt.age < self.deadline && (by_deadline || attempt.silence < SILENCE)
    }

    /// What a recovery reads once more right before it sends: somebody's late answer makes it needless.
    pub(crate) fn is_overtaken(&self, database: &Database, attempt: &Attempt) -> bool {
        attempt.recovery
            && (database.generation != attempt.base || self.promotable(database).is_some())
    }

    pub(crate) fn plan(&self, database: &Database) -> Plan {
        if let Some(place) = self.promotable(database) {
            return Plan::Promote(place);
        }
        if !self.uncertainty_allows(database) {
            return Plan::Wait;
        }
        let strict = self.policy == Policy::Strict;
        let uncertain = database.uncertainty;
        if self.is(Variant::SingleLastChance)
            && strict
            && uncertain.is_some_and(|it| it.last_chance_taken)
        {
            return Plan::GiveUp;
        }
        let current = |recovery| Plan::Present {
            token: database.current,
            source: Source::Current,
            recovery,
        };
        match database.accusation {
            Accusation::Suspect { wait: 0 } => current(true),
            Accusation::Suspect { .. } => Plan::Wait,
            Accusation::Confirmed => match self.fallback(database) {
                Some((token, source)) => Plan::Present {
                    token,
                    source,
                    recovery: true,
                },
                None if self.is(Variant::OrphansBeforeConfirmation) => current(true),
                None => Plan::GiveUp,
            },
            Accusation::None if uncertain.is_some() => current(true),
            Accusation::None if self.is_due(database) => current(false),
            Accusation::None => Plan::Wait,
        }
    }

    /// Whether nothing but the calendar asks for the next step: it may come at any time.
    pub(crate) fn is_routine(&self, database: &Database) -> bool {
        database.claim.is_none()
            && database.uncertainty.is_none()
            && database.accusation == Accusation::None
            && self.promotable(database).is_none()
    }

    /// What is left to try when the present refresh token is refused: the newest orphan, then the generation before.
    pub(crate) fn fallback(&self, database: &Database) -> Option<(Token, Source)> {
        let orphan = database.orphans.iter().rfind(|orphan| !orphan.tried);
        let previous = database.previous.filter(|previous| {
            !previous.tried
                && match self.policy {
                    Policy::StaysValid => true,
                    Policy::Overlap { window } => previous.age < Self::usable(window),
                    Policy::UntilSuccessorUsed | Policy::Strict => false,
                }
        });
        orphan
            .map(|orphan| (orphan.token, Source::Orphan))
            .or(previous.map(|previous| (previous.token, Source::Previous)))
    }

    /// An answer to an earlier attempt on the present generation: what the old refresh token was exchanged for.
    fn promotable(&self, database: &Database) -> Option<usize> {
        database
            .orphans
            .iter()
            .rposition(|orphan| orphan.base == database.generation && !orphan.tried)
    }

    /// Whether a refresh token that may have been redeemed already may be presented (section 3.2).
    fn uncertainty_allows(&self, database: &Database) -> bool {
        let Some(uncertainty) = database.uncertainty else {
            return true;
        };
        match self.policy {
            Policy::StaysValid | Policy::UntilSuccessorUsed => true,
            Policy::Overlap { window } => {
                if uncertainty.first < Self::usable(window) {
                    uncertainty.latest >= SILENCE || self.is(Variant::RetryWithoutWaiting)
                } else {
                    self.is_last_chance(database, uncertainty.latest)
                }
            }
            Policy::Strict => {
                self.is(Variant::EarlyTakeover) || self.is_last_chance(database, uncertainty.latest)
            }
        }
    }

    /// The old refresh token may be dead and presenting it may end the grant: only when there is nothing more to
    /// lose, and no earlier request is on its way.
    fn is_last_chance(&self, database: &Database, latest: u8) -> bool {
        database.access == 0 && (latest >= self.deadline || self.is(Variant::ReplayWithoutWaiting))
    }

    fn is_due(&self, database: &Database) -> bool {
        database.access <= self.due && database.generation < self.renewals
    }
}
