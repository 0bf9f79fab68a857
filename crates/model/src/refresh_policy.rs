//! When to renew and when to try again: pure functions of times and policy.

use std::time::Duration;

use crate::{Expiry, Timestamp};

/// The figures that decide when a token is renewed and how long a failing provider is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// The least remaining life of a vended token when the caller asks for none; tokens that live less than ten
    /// times as long are held to a tenth of their life instead.
    pub default_min_ttl: Duration,
    /// The pause after a first failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause, and the most of a provider's Retry-After that is honoured.
    pub longest_pause: Duration,
    /// How long after a first refusal of the grant it is tried once more before the connection needs a person.
    pub confirm_after: Duration,
    /// A connection that nobody used for this long is renewed only as often as keeps it alive.
    pub unused_after: Duration,
}

/// How a token stands against what is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Good for long enough.
    Fresh,
    /// Valid, not for as long as asked, but as young as the provider makes them: renewing would not help.
    AsFreshAsItGets,
    /// Valid, but not for as long as asked: to be renewed first.
    Short,
    /// Run out, or so close to it that it may on the way.
    RunOut,
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self {
            default_min_ttl: Duration::from_secs(60),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(900),
            confirm_after: Duration::from_secs(60),
            unused_after: Duration::from_secs(3 * 86_400),
        }
    }
}

impl RefreshPolicy {
    /// How a token received at `received` stands at `now`, for a caller who asked for `min_ttl`.
    pub fn freshness(
        &self,
        received: Timestamp,
        expiry: Expiry,
        now: Timestamp,
        min_ttl: Option<Duration>,
    ) -> Freshness {
        let Expiry::At(expires) = expiry else {
            return Freshness::Fresh;
        };
        let lifetime = between(received, expires);
        let remaining = between(now, expires);
        // What a token needs to survive the way to the provider.
        let margin = (lifetime / 20).min(Duration::from_secs(5));
        // What had run out when it was received is run out on every clock, also on one that is behind.
        if lifetime.is_zero() || remaining <= margin {
            return Freshness::RunOut;
        }
        // Renewing a token that has hardly begun to age would be a renewal a call.
        let young = between(received, now) < lifetime / 20;
        let asked = min_ttl.unwrap_or((lifetime / 10).min(self.default_min_ttl));
        if remaining >= asked {
            Freshness::Fresh
        } else if asked >= lifetime && remaining >= lifetime / 2 || young {
            Freshness::AsFreshAsItGets
        } else {
            Freshness::Short
        }
    }

    /// The pause after the `failures`-th failure in a row: exponential with full jitter (`roll` in 0..1), and never
    /// shorter than the provider asked for, up to the longest pause.
    pub fn pause(&self, failures: u32, retry_after: Option<Duration>, roll: f64) -> Duration {
        let doubled = self
            .first_pause
            .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
        let ceiling = doubled.min(self.longest_pause);
        let jittered = self.first_pause.max(ceiling.mul_f64(roll.clamp(0.0, 1.0)));
        jittered.max(retry_after.unwrap_or_default().min(self.longest_pause))
    }
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    (to - from).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap_or_default()
    }

    #[test]
    fn freshness_follows_life_and_wish() {
        let policy = RefreshPolicy::default();
        let hour = Expiry::At(at(3600));
        let cases: [(i64, Option<u64>, Freshness); 10] = [
            (0, None, Freshness::Fresh),
            (3540, None, Freshness::Fresh),
            (3541, None, Freshness::Short),
            (3595, None, Freshness::RunOut),
            (3600, None, Freshness::RunOut),
            (9999, Some(0), Freshness::RunOut),
            (100, Some(3500), Freshness::Fresh),
            (101, Some(3500), Freshness::AsFreshAsItGets),
            (180, Some(3500), Freshness::Short),
            (100, Some(7200), Freshness::AsFreshAsItGets),
        ];
        for (now, min_ttl, expected) in cases {
            let min_ttl = min_ttl.map(Duration::from_secs);
            assert_eq!(
                policy.freshness(at(0), hour, at(now), min_ttl),
                expected,
                "{now} {min_ttl:?}"
            );
        }
        // Asking for more than the token's life renews it once half of it is gone, not on each call.
        let long = Some(Duration::from_secs(7200));
        assert_eq!(
            policy.freshness(at(0), hour, at(1801), long),
            Freshness::Short
        );
    }

    #[test]
    fn short_lives_are_held_to_a_tenth() {
        let policy = RefreshPolicy::default();
        let ten = Expiry::At(at(10));
        assert_eq!(policy.freshness(at(0), ten, at(9), None), Freshness::Fresh);
        assert_eq!(
            policy.freshness(at(0), ten, at(10), None),
            Freshness::RunOut
        );
    }

    #[test]
    fn what_had_run_out_when_it_was_received_is_run_out_on_every_clock() {
        let policy = RefreshPolicy::default();
        for expires in [at(0), at(-3600)] {
            for now in [at(-7200), at(-30), at(0), at(30)] {
                let freshness = policy.freshness(at(0), Expiry::At(expires), now, None);
                assert_eq!(freshness, Freshness::RunOut, "{expires} {now}");
            }
        }
    }

    #[test]
    fn what_does_not_expire_is_fresh() {
        let policy = RefreshPolicy::default();
        for expiry in [Expiry::Never, Expiry::Unknown] {
            let wish = Some(Duration::from_secs(1 << 40));
            assert_eq!(
                policy.freshness(at(0), expiry, at(1 << 30), wish),
                Freshness::Fresh
            );
        }
    }

    #[test]
    fn pauses_grow_to_the_ceiling_and_honour_the_provider() {
        let policy = RefreshPolicy::default();
        assert_eq!(policy.pause(1, None, 1.0), Duration::from_secs(1));
        assert_eq!(policy.pause(4, None, 1.0), Duration::from_secs(8));
        assert_eq!(policy.pause(u32::MAX, None, 1.0), Duration::from_secs(900));
        assert_eq!(policy.pause(9, None, 0.0), Duration::from_secs(1));
        assert_eq!(
            policy.pause(1, Some(Duration::from_secs(30)), 0.5),
            Duration::from_secs(30)
        );
        assert_eq!(
            policy.pause(1, Some(Duration::MAX), 0.5),
            Duration::from_secs(900)
        );
    }
}
