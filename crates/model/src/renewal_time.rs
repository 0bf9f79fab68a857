//! When a connection is renewed although nobody asks: ahead of its token's end while it is used, and otherwise only
//! as often as keeps its refresh token alive.

use std::time::Duration;

use chrono::TimeDelta;

use crate::{RefreshFacts, RefreshPolicy, Timestamp};

/// What the time of the next renewal depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewable {
    /// When the present token set was received.
    pub received: Timestamp,
    /// When its access token runs out, where it does.
    pub expires: Option<Timestamp>,
    /// When its refresh token runs out, where the provider said so.
    pub refresh_expires: Option<Timestamp>,
    /// When somebody last used or authorized the connection.
    pub used: Timestamp,
}

/// Renewed at the latest this long after the last renewal where nothing is known about how long it would live.
const KEEP_ALIVE: Duration = Duration::from_secs(7 * 86_400);

impl RefreshPolicy {
    /// When to renew next, `roll` (0..1) spreading what was issued together: at 60 to 80 % of the token's life, or in
    /// its last one to two minutes where renewing ends the token before. A connection unused for
    /// [`RefreshPolicy::unused_after`] is renewed at 50 to 70 % of what its refresh token survives without. Never before
    /// `received`: who comes at a due time takes a token set that is younger than it for the renewal.
    pub fn renewal_time(
        &self,
        facts: &RefreshFacts,
        renewable: Renewable,
        now: Timestamp,
        roll: f64,
    ) -> Timestamp {
        let alive = keep_alive(facts, renewable, roll);
        let unused = (now - renewable.used).to_std().unwrap_or_default() >= self.unused_after;
        let assumed = || {
            renewable
                .received
                .checked_add_signed(delta(facts.assumed_lifetime?))
        };
        let Some(expires) = renewable.expires.or_else(assumed).filter(|_| !unused) else {
            return alive;
        };
        let lifetime = (expires - renewable.received).to_std().unwrap_or_default();
        let ahead = if facts.access_token_survives_refresh {
            lifetime.mul_f64(0.4 - 0.2 * roll)
        } else {
            (lifetime / 5).min(Duration::from_secs(60).mul_f64(1.0 + roll))
        };
        alive.min(expires - delta(ahead)).max(renewable.received)
    }
}

fn keep_alive(facts: &RefreshFacts, renewable: Renewable, roll: f64) -> Timestamp {
    let told = renewable
        .refresh_expires
        .map(|end| (end - renewable.received).to_std().unwrap_or_default());
    let survives = facts.idle_limit.into_iter().chain(told).min();
    let pause = match survives {
        Some(limit) => limit.mul_f64(0.5 + 0.2 * roll),
        None => KEEP_ALIVE.mul_f64(0.9 + 0.1 * roll),
    };
    renewable
        .received
        .checked_add_signed(delta(pause))
        .unwrap_or(Timestamp::MAX_UTC)
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn at(seconds: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap_or_default()
    }

    fn hour() -> Renewable {
        Renewable {
            received: at(0),
            expires: Some(at(3600)),
            refresh_expires: None,
            used: at(0),
        }
    }

    #[test]
    fn tokens_in_use_are_renewed_ahead_and_spread() {
        let (policy, facts) = (RefreshPolicy::default(), RefreshFacts::default());
        let time = |roll| policy.renewal_time(&facts, hour(), at(0), roll);
        assert_eq!(time(0.0), at(2160));
        assert_eq!(time(1.0), at(2880));
    }

    #[test]
    fn tokens_whose_end_is_not_told_are_renewed_by_their_usual_life() {
        let policy = RefreshPolicy::default();
        let facts = RefreshFacts {
            assumed_lifetime: Some(Duration::from_secs(7200)),
            ..RefreshFacts::default()
        };
        let untold = Renewable {
            expires: None,
            ..hour()
        };
        let time = |renewable| policy.renewal_time(&facts, renewable, at(0), 0.0);
        assert_eq!(time(untold), at(4320));
        assert_eq!(time(hour()), at(2160));
    }

    #[test]
    fn where_renewing_ends_the_token_it_waits_for_the_last_minutes() {
        let policy = RefreshPolicy::default();
        let facts = RefreshFacts {
            access_token_survives_refresh: false,
            ..RefreshFacts::default()
        };
        let time = |renewable, roll| policy.renewal_time(&facts, renewable, at(0), roll);
        assert_eq!(time(hour(), 0.0), at(3540));
        assert_eq!(time(hour(), 1.0), at(3480));
        let short = Renewable {
            expires: Some(at(100)),
            ..hour()
        };
        assert_eq!(time(short, 1.0), at(80));
    }

    #[test]
    fn a_token_that_came_when_it_had_run_out_is_due_at_once_and_no_earlier() {
        let policy = RefreshPolicy::default();
        for access_token_survives_refresh in [true, false] {
            let facts = RefreshFacts {
                access_token_survives_refresh,
                ..RefreshFacts::default()
            };
            let stale = Renewable {
                expires: Some(at(-3600)),
                ..hour()
            };
            let time = policy.renewal_time(&facts, stale, at(0), 0.5);
            assert_eq!(time, stale.received);
        }
    }

    #[test]
    fn what_nobody_uses_is_only_kept_alive() {
        let policy = RefreshPolicy::default();
        let idle = RefreshFacts {
            idle_limit: Some(Duration::from_secs(60 * 86_400)),
            ..RefreshFacts::default()
        };
        let long_after = at(0) + delta(policy.unused_after);
        let time = |facts: &RefreshFacts, renewable| {
            policy.renewal_time(facts, renewable, long_after, 0.0)
        };
        assert_eq!(time(&idle, hour()), at(30 * DAY));
        let unknown = RefreshFacts::default();
        assert_eq!(time(&unknown, hour()), at(63 * DAY / 10));
        let told = Renewable {
            refresh_expires: Some(at(2 * DAY)),
            ..hour()
        };
        assert_eq!(time(&idle, told), at(DAY));
        // A token without an end is kept alive too, used or not.
        let endless = Renewable {
            expires: None,
            used: long_after,
            ..hour()
        };
        assert_eq!(time(&idle, endless), at(30 * DAY));
    }
}
