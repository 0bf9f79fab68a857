//! What goes wrong by chance: the same each time for the same seed, client and order of calls.

use std::{ops::RangeInclusive, time::Duration};

use crate::{fault::Fault, fingerprint::Fingerprint};

/// How likely each misbehaviour is for a call of the token endpoint, from 0 to 1. One call has at most one of them, so
/// that together they should not exceed 1; a delay comes on top.
#[derive(Clone, Debug, PartialEq)]
pub struct Mischief {
    /// What the chance of each client is made of; changed, it starts anew.
    pub seed: u64,
    /// Processed, and the connection is closed without an answer.
    pub lose_answer: f64,
    /// Processed, and the connection is closed in the middle of the answer.
    pub truncate_answer: f64,
    /// Processed, and 500 is answered.
    pub late_server_error: f64,
    /// Not processed; the connection is closed without an answer.
    pub close: f64,
    /// Not processed; 500 is answered.
    pub server_error: f64,
    /// Not processed; 429 is answered.
    pub too_many_requests: f64,
    /// The `Retry-After` of those, in seconds.
    pub retry_after: u64,
    /// Not processed; `invalid_grant` is answered although the grant is alive.
    pub spurious_invalid_grant: f64,
    /// How long every call waits before anything else, evenly spread over the range.
    pub delay: Option<RangeInclusive<Duration>>,
}

/// What chance has for one call.
#[derive(Debug)]
pub(crate) struct Roll {
    pub(crate) delay: Option<Duration>,
    pub(crate) fault: Option<Fault>,
}

/// The chance of one client.
pub(crate) struct Dice {
    seed: u64,
    random: fastrand::Rng,
}

impl Default for Mischief {
    fn default() -> Self {
        Self {
            seed: 0,
            lose_answer: 0.0,
            truncate_answer: 0.0,
            late_server_error: 0.0,
            close: 0.0,
            server_error: 0.0,
            too_many_requests: 0.0,
            retry_after: 1,
            spurious_invalid_grant: 0.0,
            delay: None,
        }
    }
}

impl Dice {
    /// The dice of a client: two clients with one seed do not fail in step.
    pub(crate) fn new(seed: u64, client_id: &str) -> Self {
        let random = fastrand::Rng::with_seed(seed ^ Fingerprint::of(client_id).seed());
        Self { seed, random }
    }

    /// Whether they were made from this seed.
    pub(crate) fn is_of(&self, seed: u64) -> bool {
        self.seed == seed
    }

    /// Rolls for one call. Every roll takes two numbers, so that one call's outcome does not depend on another's.
    pub(crate) fn roll(&mut self, mischief: &Mischief) -> Roll {
        let (mut rest, spread) = (self.random.f64(), self.random.f64());
        let likely = [
            (mischief.lose_answer, Fault::LoseAnswer),
            (mischief.truncate_answer, Fault::TruncateAnswer),
            (
                mischief.late_server_error,
                Fault::processed(500, "text/plain", ""),
            ),
            (mischief.close, Fault::Close),
            (mischief.server_error, Fault::status(500)),
            (
                mischief.too_many_requests,
                Fault::too_many_requests(mischief.retry_after),
            ),
            (
                mischief.spurious_invalid_grant,
                Fault::error(400, "invalid_grant"),
            ),
        ];
        let fault = likely.into_iter().find_map(|(likelihood, fault)| {
            rest -= likelihood;
            (rest < 0.0).then_some(fault)
        });
        let delay = mischief.delay.as_ref().map(|range| {
            let width = range.end().saturating_sub(*range.start());
            range.start().saturating_add(width.mul_f64(spread))
        });
        Roll { delay, fault }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Dice, Mischief};

    #[test]
    fn rolls_repeat_with_their_seed_and_hit_as_often_as_they_should() {
        let (from, to) = (Duration::from_millis(5), Duration::from_millis(9));
        let mischief = Mischief {
            lose_answer: 0.25,
            server_error: 0.25,
            delay: Some(from..=to),
            ..Mischief::default()
        };
        let rolls = |seed, client| {
            let mut dice = Dice::new(seed, client);
            (0..4000).map(|_| dice.roll(&mischief)).collect::<Vec<_>>()
        };
        let faults = |seed, client| {
            let name = |roll: super::Roll| roll.fault.map(|fault| fault.name());
            rolls(seed, client)
                .into_iter()
                .map(name)
                .collect::<Vec<_>>()
        };
        let first = faults(7, "a");
        assert_eq!(first, faults(7, "a"));
        assert_ne!(first, faults(8, "a"));
        assert_ne!(first, faults(7, "b"));
        for wanted in ["lose_answer", "answer"] {
            let hits = first.iter().filter(|name| **name == Some(wanted)).count();
            assert!((800..1200).contains(&hits), "{wanted}: {hits} of 4000");
        }
        let in_range = |roll: super::Roll| roll.delay.is_some_and(|d| (from..=to).contains(&d));
        assert!(rolls(7, "a").into_iter().all(in_range));
    }
}
