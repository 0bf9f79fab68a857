//! A queue in front of a number of places, which moves no faster than a rate: first come, first served.

use std::{num::NonZeroU32, ops::Add, sync::Arc, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, Reference},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Places for calls under way, and the pace at which they are taken.
pub(super) struct Line {
    places: Arc<Semaphore>,
    /// Held by the one at the head of the queue, who watches the rate for all behind.
    head: Mutex<Pace>,
}

/// A place, given back when dropped. `None` only if there are no places any more, which nobody sees to.
pub(super) type Place = Option<OwnedSemaphorePermit>;

struct Pace {
    quota: Quota,
    limiter: Limiter,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Tick>>;

/// Tokio's clock, which tests can stop.
struct TokioClock;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Tick(Instant);

impl Line {
    pub(super) fn new(places: u32, quota: Quota) -> Self {
        let places = usize::try_from(places).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS))),
            head: Mutex::new(Pace::new(quota)),
        }
    }

    /// Waits for a place, and then for the time to take it. The place comes first: were it last, those who waited for
    /// places would all start when places are given back, whatever the rate.
    pub(super) async fn place(&self, quota: Quota) -> Place {
        let place = self.places.clone().acquire_owned().await.ok();
        let mut pace = self.head.lock().await;
        if pace.quota != quota {
            // The catalogue changed.
            *pace = Pace::new(quota);
        }
        while let Err(not_until) = pace.limiter.check() {
            tokio::time::sleep_until(not_until.earliest_possible().0).await;
        }
        place
    }
}

impl Pace {
    fn new(quota: Quota) -> Self {
        Self {
            quota,
            limiter: RateLimiter::direct_with_clock(quota, TokioClock),
        }
    }
}

/// So many calls a minute, of which no more than a tenth of a second's worth, or one, at once: what has gathered while
/// a provider was away must not arrive as one burst.
pub(super) fn steady(calls_per_minute: u32) -> Quota {
    let at_least_one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Quota::per_minute(at_least_one(calls_per_minute))
        .allow_burst(at_least_one(calls_per_minute / 600))
}

impl Clock for TokioClock {
    type Instant = Tick;

    fn now(&self) -> Tick {
        Tick(Instant::now())
    }
}

impl Reference for Tick {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_duration_since(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        self.0.checked_sub(duration.into()).map_or(*self, Self)
    }
}

impl Add<Nanos> for Tick {
    type Output = Self;

    fn add(self, nanos: Nanos) -> Self {
        Self(self.0 + Duration::from(nanos))
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_moves_in_order_no_faster_and_no_slower_than_its_rate() {
        let start = Instant::now();
        let quota = steady(50 * 60);
        let line = Line::new(1000, quota);
        let taken = join_all((0..105).map(|_| async {
            let place = line.place(quota).await;
            (place, start.elapsed())
        }))
        .await;
        // A burst of five, then one each 20 ms; timers may be a millisecond late.
        for (number, (_, at)) in (0_u32..).zip(&taken) {
            let due = Duration::from_millis(20) * number.saturating_sub(4);
            assert!(
                *at >= due && *at <= due + Duration::from_millis(2),
                "{number}: {at:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_rate_holds_from_the_next_on() {
        let line = Line::new(1000, steady(60));
        drop(line.place(steady(60)).await);
        let start = Instant::now();
        for _ in 0..3 {
            drop(line.place(steady(30)).await);
        }
        assert_eq!(start.elapsed(), Duration::from_secs(4));
    }

    #[test]
    fn any_figure_makes_a_quota() {
        for calls in [0, 1, 599, 600, u32::MAX] {
            let quota = steady(calls);
            assert_eq!(quota.burst_size().get(), (calls / 600).max(1));
            drop(Line::new(calls, quota));
        }
    }
}
