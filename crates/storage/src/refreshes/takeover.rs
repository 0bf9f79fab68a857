//! When an open attempt may be taken over: its deadline is past, its holder is dead, or the provider's class lets
//! nobody wait for one who has fallen silent.

use std::time::Duration;

use sea_orm::FromQueryResult;
use tokend_model::{TakeoverRule, ports::Holder};

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
}

impl Standing {
    pub(crate) fn is_open(&self) -> bool {
        self.state == CLAIM_OPEN
    }

    /// How long the claim is still its holder's; `None` if `asker` may take it now.
    pub(crate) fn remaining(
        &self,
        asker: &Holder,
        rule: TakeoverRule,
        now: i64,
    ) -> Option<Duration> {
        // A dead holder's request may still be carried out: that matters where a second redemption does.
        let dead = self.is_earlier_life_of(asker) && rule.silence.is_some();
        if !self.is_open() || dead {
            return None;
        }
        let free_at = self
            .given_up_at(rule, now)
            .map_or(self.deadline_at, |time| time.min(self.deadline_at));
        time_left(now, free_at)
    }

    /// Whether somebody may come back to it.
    pub(crate) fn may_be_alive(&self, asker: &Holder) -> bool {
        self.is_open() && !self.is_earlier_life_of(asker)
    }

    /// When silence is enough, unless the attempt is too old by then.
    fn given_up_at(&self, rule: TakeoverRule, now: i64) -> Option<i64> {
        let silent_at = self
            .heartbeat_at
            .saturating_add(whole_milliseconds(rule.silence?))
            .max(now);
        let in_time = rule.only_within.is_none_or(|within| {
            silent_at.saturating_sub(self.started_at) < whole_milliseconds(within)
        });
        in_time.then_some(silent_at)
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
