//! When an open attempt may be taken over: its deadline is past, its holder is dead, or the provider's class lets
//! nobody wait for one who has fallen silent.

use std::time::Duration;

use sea_orm::FromQueryResult;
use tokend_model::{
    TakeoverRule,
    ports::{ClaimRequest, Holder},
};

use super::{CLAIM_OPEN, whole_milliseconds};

/// A claim's row as it stands; times are the database's.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Standing {
    pub(crate) epoch: i64,
    pub(crate) holder: String,
    pub(crate) base_generation: i64,
    pub(crate) started_at: i64,
    pub(crate) heartbeat_at: i64,
    pub(crate) deadline_at: i64,
    pub(crate) state: String,
    pub(crate) predecessor_deadline_at: i64,
}

impl Standing {
    pub(crate) fn is_open(&self) -> bool {
        self.state == CLAIM_OPEN
    }

    /// How long others are waited for; `None` if the asker may claim now. `doubted` is when the first attempt on the
    /// same refresh token began whose outcome nobody knows.
    pub(crate) fn remaining(
        &self,
        request: &ClaimRequest,
        doubted: Option<i64>,
        now: i64,
    ) -> Option<Duration> {
        let rule = request.takeover;
        let in_time = self.is_in_time(rule, doubted, now);
        // A dead holder's request may still be carried out: that matters where a second redemption does.
        let dead = self.is_earlier_life_of(&request.holder) && rule.silence.is_some() && in_time;
        let holder_until = match self.is_open() && !dead {
            true => self
                .given_up_at(rule, doubted, now)
                .map_or(self.deadline_at, |time| time.min(self.deadline_at)),
            false => now,
        };
        // Outside of the window its answer must not be made worthless.
        let predecessor_until = match in_time || !self.is_of(request) {
            true => now,
            false => self.predecessor_deadline_at,
        };
        time_left(now, holder_until.max(predecessor_until))
    }

    /// Until when the attempts on the asker's generation up to this one may still store an answer, should it be taken
    /// over now.
    pub(crate) fn longest_deadline(&self, request: &ClaimRequest) -> i64 {
        match (self.is_of(request), self.is_open()) {
            (true, true) => self.predecessor_deadline_at.max(self.deadline_at),
            (true, false) => self.predecessor_deadline_at,
            (false, _) => 0,
        }
    }

    /// Whether it is about the same refresh token.
    pub(crate) fn is_of(&self, request: &ClaimRequest) -> bool {
        self.base_generation == i64::from(request.base.0)
    }

    /// Whether somebody may come back to it.
    pub(crate) fn may_be_alive(&self, asker: &Holder) -> bool {
        self.is_open() && !self.is_earlier_life_of(asker)
    }

    /// When silence is enough, unless the attempt is too old by then.
    fn given_up_at(&self, rule: TakeoverRule, doubted: Option<i64>, now: i64) -> Option<i64> {
        let silent_at = self
            .heartbeat_at
            .saturating_add(whole_milliseconds(rule.silence?))
            .max(now);
        self.is_in_time(rule, doubted, silent_at)
            .then_some(silent_at)
    }

    /// Whether the provider's window is still open then: it opened with the first attempt that may have got there, and
    /// that one's answer may be in a journal that is only now being read.
    fn is_in_time(&self, rule: TakeoverRule, doubted: Option<i64>, time: i64) -> bool {
        let began = doubted.map_or(self.started_at, |doubted| doubted.min(self.started_at));
        rule.only_within
            .is_none_or(|within| time.saturating_sub(began) < whole_milliseconds(within))
    }

    /// Only one process at a time can be a replica: the one before is dead.
    fn is_earlier_life_of(&self, asker: &Holder) -> bool {
        self.holder
            .rsplit_once('/')
            .is_some_and(|(replica, incarnation)| {
                replica == asker.replica && incarnation != asker.incarnation
            })
    }
}

/// How long it is until a moment; `None` once it has come.
pub(crate) fn time_left(now: i64, until: i64) -> Option<Duration> {
    u64::try_from(until.saturating_sub(now))
        .ok()
        .filter(|&left| left > 0)
        .map(Duration::from_millis)
}
