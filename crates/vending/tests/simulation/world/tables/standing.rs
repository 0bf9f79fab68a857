//! How the newest attempt on a connection stands, and when it may be taken over.

use std::time::Duration;

use tokend_model::{
    Generation, TakeoverRule, Timestamp,
    ports::{ClaimRequest, Holder},
};

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
    /// Until when an attempt that was taken over early may still store its answer.
    predecessor_deadline: Timestamp,
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
        predecessor_deadline: Timestamp,
    ) -> Self {
        Self {
            epoch,
            holder: holder.clone(),
            base,
            started: now,
            heartbeat: now,
            deadline,
            state: State::Open,
            predecessor_deadline,
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

    /// How long others are waited for; `None` if the asker may claim now.
    pub(super) fn remaining(
        &self,
        request: &ClaimRequest,
        doubted: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Duration> {
        let rule = request.takeover;
        let in_time = self.is_in_time(rule, doubted, now);
        let dead = self.is_earlier_life_of(&request.holder) && rule.silence.is_some() && in_time;
        let mut until = now;
        if self.is_open() && !dead {
            let given_up = self.given_up_at(rule, doubted, now);
            until = self.deadline.min(given_up.unwrap_or(self.deadline));
        }
        if !in_time && self.base == request.base {
            until = until.max(self.predecessor_deadline);
        }
        time_left(now, until)
    }

    /// Until when the attempts up to this one may still store an answer to the asker's generation.
    pub(super) fn longest_deadline(&self, request: &ClaimRequest) -> Timestamp {
        if self.base != request.base {
            return Timestamp::UNIX_EPOCH;
        }
        match self.is_open() {
            true => self.predecessor_deadline.max(self.deadline),
            false => self.predecessor_deadline,
        }
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
