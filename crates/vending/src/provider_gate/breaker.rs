//! A circuit breaker: after a number of calls without an answer nobody calls for a while, and then one to try. Pure:
//! time and the length of pauses are arguments.

use std::time::Duration;

use tokio::time::Instant;

/// Whether a provider answers, as far as its last calls tell.
#[derive(Debug)]
pub(super) struct Breaker {
    failures_to_open: u32,
    state: State,
    /// How often in a row it opened without an answer in between.
    openings: u32,
    /// Counts changes of state: what a call of an earlier one tells comes too late to mean anything.
    era: u64,
}

/// A call that was let through, to tell its outcome by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Admission {
    era: u64,
}

#[derive(Debug)]
enum State {
    /// Calls pass; this many in a row were not answered.
    Passing { failures: u32 },
    /// Nobody passes before; then one does.
    Open { until: Instant },
    /// One call was let through to try.
    Probing,
}

impl Breaker {
    pub(super) fn new(failures_to_open: u32) -> Self {
        Self {
            failures_to_open: failures_to_open.max(1),
            state: State::Passing { failures: 0 },
            openings: 0,
            era: 0,
        }
    }

    /// Whether a call would be let through; otherwise how long that is certain not to be so.
    pub(super) fn look(&self, now: Instant) -> Result<(), Duration> {
        match self.state {
            State::Passing { .. } => Ok(()),
            State::Open { until } if until <= now => Ok(()),
            State::Open { until } => Err(until - now),
            State::Probing => Err(Duration::ZERO),
        }
    }

    /// The same for a call that was let through already.
    pub(super) fn look_again(&self, admission: Admission, now: Instant) -> Result<(), Duration> {
        if admission.era == self.era {
            return Ok(());
        }
        self.look(now)
    }

    /// Lets a call through.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Admission, Duration> {
        self.look(now)?;
        if matches!(self.state, State::Open { .. }) {
            self.change(State::Probing);
        }
        Ok(Admission { era: self.era })
    }

    /// There was an answer.
    pub(super) fn answered(&mut self, admission: Admission) {
        if admission.era != self.era {
            return;
        }
        match &mut self.state {
            State::Passing { failures } => *failures = 0,
            State::Probing => self.change(State::Passing { failures: 0 }),
            State::Open { .. } => return,
        }
        self.openings = 0;
    }

    /// There was none. `pause` tells how long to leave the provider alone, by how often in a row that was necessary.
    pub(super) fn unanswered(
        &mut self,
        admission: Admission,
        now: Instant,
        pause: impl FnOnce(u32) -> Duration,
    ) {
        if admission.era != self.era {
            return;
        }
        if let State::Passing { failures } = &mut self.state {
            *failures = failures.saturating_add(1);
            if *failures < self.failures_to_open {
                return;
            }
        }
        self.openings = self.openings.saturating_add(1);
        let until = now + pause(self.openings);
        self.change(State::Open { until });
    }

    /// The call was not made, or nobody knows how it ended: the next one may try instead.
    pub(super) fn abandoned(&mut self, admission: Admission, now: Instant) {
        if admission.era == self.era && matches!(self.state, State::Probing) {
            self.change(State::Open { until: now });
        }
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.era += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const THRESHOLD: u32 = 3;
    const PAUSE: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(4);

    #[derive(Debug, Clone)]
    enum Event {
        Passes(u64),
        Call,
        Answered(prop::sample::Index),
        Unanswered(prop::sample::Index),
        Abandoned(prop::sample::Index),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            2 => (0..3000_u64).prop_map(Event::Passes),
            6 => Just(Event::Call),
            1 => any::<prop::sample::Index>().prop_map(Event::Answered),
            4 => any::<prop::sample::Index>().prop_map(Event::Unanswered),
            1 => any::<prop::sample::Index>().prop_map(Event::Abandoned),
        ]
    }

    fn pause(openings: u32) -> Duration {
        PAUSE.saturating_mul(openings).min(LONGEST)
    }

    proptest! {
        /// Told in terms of calls only: `closed_until` and `probe` are what an observer of the calls expects.
        #[test]
        fn nobody_passes_a_pause_one_tries_and_it_is_never_stuck(
            events in prop::collection::vec(event(), 0..200),
        ) {
            let mut breaker = Breaker::new(THRESHOLD);
            let mut now = Instant::now();
            let mut calls: Vec<Admission> = Vec::new();
            let mut closed_until: Option<Instant> = None;
            let mut probe: Option<Admission> = None;
            for event in events {
                match event {
                    Event::Passes(milliseconds) => now += Duration::from_millis(milliseconds),
                    Event::Call => match (breaker.admit(now), closed_until) {
                        (Ok(call), None) => calls.push(call),
                        (Ok(call), Some(until)) => {
                            prop_assert!(until <= now, "before the pause is over");
                            prop_assert!(probe.is_none(), "a second one while another tries");
                            probe = Some(call);
                            calls.push(call);
                        }
                        (Err(_), None) => prop_assert!(false, "refused although it answers"),
                        (Err(wait), Some(until)) => {
                            prop_assert!(probe.is_some() || wait == until - now && !wait.is_zero());
                        }
                    },
                    Event::Answered(index) if !calls.is_empty() => {
                        let call = calls.swap_remove(index.index(calls.len()));
                        breaker.answered(call);
                        if probe == Some(call) {
                            (probe, closed_until) = (None, None);
                        }
                    }
                    Event::Unanswered(index) if !calls.is_empty() => {
                        let call = calls.swap_remove(index.index(calls.len()));
                        let mut opened = None;
                        breaker.unanswered(call, now, |openings| {
                            opened = Some(pause(openings));
                            pause(openings)
                        });
                        prop_assert!(opened.is_none() || closed_until.is_none() || probe == Some(call));
                        if let Some(pause) = opened {
                            closed_until = Some(now + pause);
                        }
                        if probe == Some(call) {
                            prop_assert!(opened.is_some());
                            probe = None;
                        }
                    }
                    Event::Abandoned(index) if !calls.is_empty() => {
                        let call = calls.swap_remove(index.index(calls.len()));
                        breaker.abandoned(call, now);
                        if probe == Some(call) {
                            probe = None;
                        }
                    }
                    Event::Answered(_) | Event::Unanswered(_) | Event::Abandoned(_) => {}
                }
            }
            for call in calls {
                breaker.abandoned(call, now);
            }
            prop_assert!(breaker.admit(now + LONGEST).is_ok());
        }

        #[test]
        fn it_opens_at_so_many_in_a_row_and_no_sooner(threshold in 0..20_u32, before in 0..20_u32) {
            let mut breaker = Breaker::new(threshold);
            let now = Instant::now();
            let threshold = threshold.max(1);
            let fail = |breaker: &mut Breaker| match breaker.admit(now) {
                Ok(call) => breaker.unanswered(call, now, pause),
                Err(wait) => panic!("closed for {wait:?}"),
            };
            for _ in 0..before.min(threshold - 1) {
                fail(&mut breaker);
            }
            if let Ok(call) = breaker.admit(now) {
                breaker.answered(call);
            }
            for _ in 0..threshold {
                fail(&mut breaker);
            }
            prop_assert_eq!(breaker.look(now), Err(PAUSE));
        }
    }

    #[test]
    fn late_outcomes_of_calls_from_before_change_nothing() -> Result<(), Duration> {
        let mut breaker = Breaker::new(1);
        let now = Instant::now();
        let (first, late) = (breaker.admit(now)?, breaker.admit(now)?);
        breaker.unanswered(first, now, pause);
        breaker.unanswered(late, now, pause);
        breaker.answered(late);
        assert_eq!(breaker.look(now), Err(PAUSE));
        assert_eq!(breaker.look_again(late, now), Err(PAUSE));

        let probe = breaker.admit(now + PAUSE)?;
        breaker.answered(late);
        assert_eq!(breaker.look(now + PAUSE), Err(Duration::ZERO));
        assert_eq!(breaker.look_again(probe, now + PAUSE), Ok(()));
        breaker.answered(probe);
        breaker.unanswered(late, now + PAUSE, pause);
        assert_eq!(breaker.look(now + PAUSE), Ok(()));
        Ok(())
    }

    #[test]
    fn pauses_grow_until_there_is_an_answer() -> Result<(), Duration> {
        let mut breaker = Breaker::new(1);
        let mut now = Instant::now();
        for expected in [1, 2, 3, 4, 4].map(Duration::from_secs) {
            let call = breaker.admit(now)?;
            breaker.unanswered(call, now, pause);
            assert_eq!(breaker.look(now), Err(expected));
            now += expected;
        }
        let call = breaker.admit(now)?;
        breaker.answered(call);
        let call = breaker.admit(now)?;
        breaker.unanswered(call, now, pause);
        assert_eq!(breaker.look(now), Err(PAUSE));
        Ok(())
    }
}
