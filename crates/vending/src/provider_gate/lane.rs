//! One client registration's way to its provider: the lines to stand in, and whether it is open.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::Quota;
use tokend_model::RefreshPolicy;
use tokio::{sync::Semaphore, time::Instant};

use super::{
    Closed, ClosedBecause, QUIET, Rules, Urgency,
    breaker::{Admission, Breaker},
    line::{Line, Place, steady},
};

pub(super) struct Lane {
    rules: Arc<Rules>,
    /// Where renewals that nobody waits for stand first; what comes out of it leaves a quarter of places and rate to
    /// those who are waited for.
    scheduled: Line,
    /// Room to stand there.
    room: Semaphore,
    everybody: Line,
    standing: Mutex<Standing>,
}

/// What a call under way occupies.
pub(super) struct Places {
    _scheduled: Place,
    _everybody: Place,
}

struct Standing {
    breaker: Breaker,
    /// The provider wants to be left alone until then.
    asked_to_wait: Option<Instant>,
    used: Instant,
}

/// More than any provider means when it asks for patience; longer is taken for a mistake.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// So many renewals that nobody waits for stand in line, enough to lose no time between two calls. More would only keep
/// others of the same workspace from being begun.
const ROOM: usize = 16;

impl Lane {
    pub(super) fn new(rules: Arc<Rules>) -> Self {
        let options = &rules.options;
        let places = options.concurrent_calls;
        Self {
            scheduled: Line::new(places - places.div_ceil(4), rules.scheduled_quota(None)),
            room: Semaphore::new(ROOM),
            everybody: Line::new(places, rules.quota(None)),
            standing: Mutex::new(Standing {
                breaker: Breaker::new(options.failures_to_open),
                asked_to_wait: None,
                used: Instant::now(),
            }),
            rules,
        }
    }

    pub(super) async fn wait(
        &self,
        urgency: Urgency,
        known_limit: Option<u32>,
    ) -> Result<Places, Closed> {
        let scheduled = match urgency {
            Urgency::Asked => None,
            Urgency::Scheduled => {
                let Ok(_standing) = self.room.try_acquire() else {
                    return Err(self.rules.closed(ClosedBecause::Busy, Duration::ZERO));
                };
                let quota = self.rules.scheduled_quota(known_limit);
                self.scheduled.place(quota).await
            }
        };
        Ok(Places {
            _scheduled: scheduled,
            _everybody: self.everybody.place(self.rules.quota(known_limit)).await,
        })
    }

    /// Whether it is worth waiting at all.
    pub(super) fn look(&self) -> Result<(), Closed> {
        self.open_now(|standing, now| standing.breaker.look(now))
    }

    pub(super) fn look_again(&self, admission: Admission) -> Result<(), Closed> {
        self.open_now(|standing, now| standing.breaker.look_again(admission, now))
    }

    pub(super) fn admit(&self) -> Result<Admission, Closed> {
        self.open_now(|standing, now| standing.breaker.admit(now))
    }

    pub(super) fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause.min(LONGEST_WAIT);
        let mut standing = self.standing();
        standing.asked_to_wait = standing.asked_to_wait.max(Some(until));
    }

    pub(super) fn answered(&self, admission: Admission) {
        self.standing().breaker.answered(admission);
    }

    pub(super) fn unanswered(&self, admission: Admission) {
        let now = Instant::now();
        let pause = |openings| self.rules.pause(openings);
        self.standing().breaker.unanswered(admission, now, pause);
    }

    pub(super) fn abandoned(&self, admission: Admission) {
        let now = Instant::now();
        self.standing().breaker.abandoned(admission, now);
    }

    /// Whether forgetting it would change anything: it was used lately, or nobody may pass.
    pub(super) fn matters(&self, now: Instant) -> bool {
        let standing = self.standing();
        now < standing.used + QUIET
            || standing.asked_to_wait.is_some_and(|until| now < until)
            || standing.breaker.look(now).is_err()
    }

    fn open_now<T>(
        &self,
        breaker: impl FnOnce(&mut Standing, Instant) -> Result<T, Duration>,
    ) -> Result<T, Closed> {
        let now = Instant::now();
        let mut standing = self.standing();
        standing.used = now;
        if let Some(until) = standing.asked_to_wait.filter(|until| now < *until) {
            return Err(Closed {
                retry_after: until - now,
                because: ClosedBecause::AskedToWait,
            });
        }
        breaker(&mut standing, now)
            .map_err(|wait| self.rules.closed(ClosedBecause::NotAnswering, wait))
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rules {
    fn quota(&self, known_limit: Option<u32>) -> Quota {
        steady(self.calls_per_second(known_limit).saturating_mul(60))
    }

    /// Three quarters of it.
    fn scheduled_quota(&self, known_limit: Option<u32>) -> Quota {
        steady(self.calls_per_second(known_limit).saturating_mul(45))
    }

    fn calls_per_second(&self, known_limit: Option<u32>) -> u32 {
        let configured = self.options.calls_per_second;
        known_limit
            .map_or(configured, |limit| limit.min(configured))
            .max(1)
    }

    fn pause(&self, openings: u32) -> Duration {
        let policy = RefreshPolicy {
            first_pause: self.options.first_pause.min(LONGEST_WAIT),
            longest_pause: self.options.longest_pause.min(LONGEST_WAIT),
            ..RefreshPolicy::default()
        };
        policy.pause(openings, None, self.chance.roll())
    }
}
