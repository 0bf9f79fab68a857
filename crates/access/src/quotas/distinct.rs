//! How many different things were asked for in the last minute: exact, to the second.

use std::collections::HashMap;

/// The seconds that are counted over.
const WINDOW: u64 = 60;

/// What was asked for in the last minute. It holds no more than twice as many things as the limit lets be counted.
#[derive(Default)]
pub(super) struct Distinct {
    /// The second in which each thing was last asked for; some are past the window.
    last: HashMap<u64, u64>,
    /// How many things were last asked for in each second, by its place in the minute.
    in_second: Seconds,
    /// The second up to which this is counted.
    until: u64,
    /// How many things are within the window.
    within: u32,
}

struct Seconds([u32; WINDOW as usize]);

impl Default for Seconds {
    fn default() -> Self {
        Self([0; WINDOW as usize])
    }
}

impl Seconds {
    fn of(&mut self, second: u64) -> &mut u32 {
        let place = usize::try_from(second % WINDOW).unwrap_or_default();
        &mut self.0[place]
    }
}

impl Distinct {
    /// Whether the thing may be counted: it was within the last minute, or no more than `limit` would be then.
    pub(super) fn has_room_for(&mut self, thing: u64, second: u64, limit: u32) -> bool {
        self.move_on(second);
        self.within < limit || self.is_within(thing)
    }

    /// Counts it, in the second that was asked about last.
    pub(super) fn count(&mut self, thing: u64, second: u64) {
        self.move_on(second);
        let second = self.until;
        match self.last.insert(thing, second) {
            Some(before) if before + WINDOW > second => *self.in_second.of(before) -= 1,
            _ => self.within += 1,
        }
        *self.in_second.of(second) += 1;
        // What is past the window goes when there is as much of it as of the rest.
        if self.last.len() > 2 * (self.within as usize).max(16) {
            self.last.retain(|_, before| *before + WINDOW > second);
        }
    }

    /// How long until something leaves the window; at least a second.
    pub(super) fn seconds_to_room(&mut self, second: u64) -> u64 {
        self.move_on(second);
        let now = self.until;
        let oldest = (1..=WINDOW).find(|wait| {
            // What was asked for then leaves after so many seconds.
            (now + wait)
                .checked_sub(WINDOW)
                .is_some_and(|then| *self.in_second.of(then) > 0)
        });
        oldest.unwrap_or(1)
    }

    fn is_within(&self, thing: u64) -> bool {
        let last = self.last.get(&thing);
        last.is_some_and(|second| second + WINDOW > self.until)
    }

    /// Takes out what has left the window. Another thread's second may be one behind.
    fn move_on(&mut self, second: u64) {
        if second <= self.until {
            return;
        }
        if second - self.until >= WINDOW {
            *self = Self::default();
        }
        while self.until < second {
            self.until += 1;
            let left = std::mem::take(self.in_second.of(self.until));
            self.within -= left;
            if self.within == 0 {
                self.until = second;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(distinct: &mut Distinct, thing: u64, second: u64, limit: u32) -> bool {
        let room = distinct.has_room_for(thing, second, limit);
        if room {
            distinct.count(thing, second);
        }
        room
    }

    #[test]
    fn what_was_counted_costs_nothing_and_what_is_new_waits_for_room() {
        let mut distinct = Distinct::default();
        assert!(ask(&mut distinct, 1, 0, 2) && ask(&mut distinct, 2, 10, 2));
        assert!(!ask(&mut distinct, 3, 20, 2));
        assert_eq!(distinct.seconds_to_room(20), 40);
        for second in 20..60 {
            assert!(ask(&mut distinct, 2, second, 2));
        }
        assert!(!ask(&mut distinct, 3, 59, 2));
        assert!(ask(&mut distinct, 3, 60, 2));
        assert!(!ask(&mut distinct, 1, 60, 2));
        assert_eq!(distinct.seconds_to_room(60), 59);
    }

    #[test]
    fn it_counts_as_a_list_of_times_does() {
        // A fixed walk, held against the plain definition.
        let mut seed = 7_u64;
        let mut roll = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        let (limit, mut second) = (20, 0);
        let mut distinct = Distinct::default();
        let mut times: HashMap<u64, u64> = HashMap::new();
        for step in 0..50_000 {
            second += match roll(500) {
                0 => roll(200),
                1..10 => roll(4),
                _ => 0,
            };
            let thing = roll(40);
            times.retain(|_, time| *time + WINDOW > second);
            let expected = times.len() < limit as usize || times.contains_key(&thing);
            assert_eq!(ask(&mut distinct, thing, second, limit), expected, "{step}");
            if expected {
                times.insert(thing, second);
            }
            assert!(distinct.last.len() <= 2 * limit as usize + 1);
        }
    }
}
