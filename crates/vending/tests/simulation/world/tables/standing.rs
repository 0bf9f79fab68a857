//! How the newest attempt on a connection stands, and when it may be taken over.

use std::time::Duration;

use tokend_model::{Generation, TakeoverRule, Timestamp, ports::Holder};

use super::{delta, time_left};

/// A claim's row.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) epoch: i64,
    pub(crate) holder: Holder,
    pub(super) base: Generation,
    pub(super) started: Timestamp,
    pub(super) heartbeat: Timestamp,
    pub(super) deadline: Timestamp,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed,
    Committed,
}

impl Standing {
    /// A claim made now.
    pub(super) fn new(
        epoch: i64,
        holder: &Holder,
        base: Generation,
        (now, deadline): (Timestamp, Timestamp),
    ) -> Self {
        Self {
            epoch,
            holder: holder.clone(),
            base,
            started: now,
            heartbeat: now,
            deadline,
            state: State::Open,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// It came to nothing, or is fenced off by a higher epoch.
    pub(super) fn close(&mut self, epoch: i64) {
        self.epoch = epoch;
        self.state = State::Closed;
    }

    /// Whether an attempt may commit; from then on whoever else holds a claim on the generation comes too late.
    pub(super) fn commits(&mut self, epoch: i64, now: Timestamp) -> bool {
        let nobody_else = self.epoch == epoch || !self.is_open() || self.deadline <= now;
        let may = self.state != State::Committed && nobody_else;
        if may {
            self.state = State::Committed;
        }
        may
    }

    /// How long the claim is still its holder's; `None` if `asker` may take it now.
    pub(super) fn remaining(
        &self,
        asker: &Holder,
        rule: TakeoverRule,
        doubted: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Duration> {
        let dead = self.is_earlier_life_of(asker)
            && rule.silence.is_some()
            && self.is_in_time(rule, doubted, now);
        if !self.is_open() || dead {
            return None;
        }
        let given_up = self
            .given_up_at(rule, doubted, now)
            .unwrap_or(self.deadline);
        time_left(now, given_up.min(self.deadline))
    }

    /// Whether somebody may come back to it.
    pub(super) fn may_be_alive(&self, asker: &Holder) -> bool {
        self.is_open() && !self.is_earlier_life_of(asker)
    }

    fn given_up_at(
        &self,
        rule: TakeoverRule,
        doubted: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let silent_at = (self.heartbeat + delta(rule.silence?)).max(now);
        self.is_in_time(rule, doubted, silent_at)
            .then_some(silent_at)
    }

    fn is_in_time(&self, rule: TakeoverRule, doubted: Option<Timestamp>, time: Timestamp) -> bool {
        let began = doubted.map_or(self.started, |doubted| doubted.min(self.started));
        rule.only_within
            .is_none_or(|within| time - began < delta(within))
    }

    fn is_earlier_life_of(&self, asker: &Holder) -> bool {
        self.holder.replica == asker.replica && self.holder.incarnation != asker.incarnation
    }
}
