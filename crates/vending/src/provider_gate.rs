//! What stands between the refresh engine and a provider's token endpoint: for each client registration, how many calls
//! are under way, how many begin in a second, and whether the provider wants or is able to answer at all. It knows
//! this process's calls only; what concerns all replicas is in the database.

mod breaker;
mod lane;
mod line;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use dashmap::DashMap;
use tokend_model::{
    RefreshFacts,
    ports::{Chance, ClientRegistration},
};
use tokio::time::Instant;

use breaker::Admission;
use lane::{Lane, Places};

/// How hard a provider's token endpoint is used by one process, and when it is left alone because it does not answer.
/// All of it counts for each client registration by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateOptions {
    /// The most token calls under way at a time; at least 1. Renewals that nobody waits for get three quarters.
    pub concurrent_calls: u32,
    /// The most token calls begun in a second; at least 1. Where the catalogue knows a lower limit, that counts.
    pub calls_per_second: u32,
    /// After how many calls without an answer in a row the provider counts as away; at least 1.
    pub failures_to_open: u32,
    /// How long it is left alone then, before one call tries it again; doubled each time that brings nothing.
    pub first_pause: Duration,
    /// The longest such pause. Short by default: one call in a few seconds burdens nobody, and a provider's return is
    /// noticed at once.
    pub longest_pause: Duration,
}

/// Who wants the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// A caller waits for the token.
    Asked,
    /// Nobody waits: it is renewed ahead of time.
    Scheduled,
}

/// The gates of all providers. A registration's state is kept while it matters, without a background task.
pub(crate) struct ProviderGate {
    rules: Arc<Rules>,
    lanes: DashMap<ClientRegistration, Arc<Lane>>,
    swept: Mutex<Instant>,
}

/// The right to make one token call, and its place among those under way. To be told how the call ended; dropped
/// without that it says nothing about the provider.
#[must_use = "the place is given back as soon as the pass is dropped"]
pub(crate) struct Pass {
    lane: Arc<Lane>,
    admission: Admission,
    _places: Places,
}

/// No call now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed {
    /// When it is worth asking again.
    pub(crate) retry_after: Duration,
    /// What is in the way.
    pub(crate) because: ClosedBecause,
}

/// What keeps a call from being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClosedBecause {
    /// The provider asked this client to wait (Retry-After, RFC 9110 section 10.2.3).
    AskedToWait,
    /// The last calls brought no answer, and it is not time to try again, or somebody is trying.
    NotAnswering,
    /// As much is under way as may be; patience ran out.
    Busy,
}

struct Rules {
    options: GateOptions,
    chance: Arc<dyn Chance>,
}

/// Nothing of a registration that nobody used for this long is remembered.
const QUIET: Duration = Duration::from_secs(3600);

/// How often, at most, what may be forgotten is looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// When to ask again where nothing better is known, before it is spread.
const SHORTLY: Duration = Duration::from_secs(1);

/// The same where nobody waits for the call, and the provider is busy, or away.
const TURNS: Duration = Duration::from_secs(4);
const ABSENCE: Duration = Duration::from_secs(15);

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            concurrent_calls: 20,
            calls_per_second: 50,
            failures_to_open: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(4),
        }
    }
}

impl ProviderGate {
    pub(crate) fn new(options: GateOptions, chance: Arc<dyn Chance>) -> Self {
        Self {
            rules: Arc::new(Rules { options, chance }),
            lanes: DashMap::new(),
            swept: Mutex::new(Instant::now()),
        }
    }

    /// Waits, at most `patience`, until a call may begin. What no waiting of that length would help against is told at
    /// once. A caller dropped while it waits leaves nothing behind.
    pub(crate) async fn enter(
        &self,
        registration: &ClientRegistration,
        facts: &RefreshFacts,
        urgency: Urgency,
        patience: Duration,
    ) -> Result<Pass, Closed> {
        let entered = self.pass(registration, facts, urgency, patience).await;
        entered.map_err(|closed| match urgency {
            Urgency::Asked => closed,
            Urgency::Scheduled => self.rules.not_soon(closed),
        })
    }

    async fn pass(
        &self,
        registration: &ClientRegistration,
        facts: &RefreshFacts,
        urgency: Urgency,
        patience: Duration,
    ) -> Result<Pass, Closed> {
        let lane = self.lane(registration);
        lane.look()?;
        let waiting = lane.wait(urgency, facts.calls_per_second);
        let places = tokio::time::timeout(patience, waiting)
            .await
            .unwrap_or_else(|_| Err(self.rules.closed(ClosedBecause::Busy, Duration::ZERO)))?;
        // Things may have changed meanwhile. From here on nothing waits, so that no admission can get lost.
        let admission = lane.admit()?;
        Ok(Pass {
            lane,
            admission,
            _places: places,
        })
    }

    /// The provider asked to be left alone by this client: nobody passes before `pause` is over. What was asked before
    /// is not shortened.
    pub(crate) fn pause(&self, registration: &ClientRegistration, pause: Duration) {
        self.lane(registration).pause(pause);
    }

    fn lane(&self, registration: &ClientRegistration) -> Arc<Lane> {
        if let Some(lane) = self.lanes.get(registration) {
            return lane.clone();
        }
        self.forget_quiet();
        self.lanes
            .entry(registration.clone())
            .or_insert_with(|| Arc::new(Lane::new(self.rules.clone())))
            .clone()
    }

    /// Memory grows with new registrations only, so that it is enough to look when one comes.
    fn forget_quiet(&self) {
        let now = Instant::now();
        {
            let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
            if now < *swept + SWEEP {
                return;
            }
            *swept = now;
        }
        // Handles are made under the map's lock: a lane that only the map holds stays so while this looks at it.
        self.lanes
            .retain(|_, lane| Arc::strong_count(lane) > 1 || lane.matters(now));
    }
}

impl Pass {
    /// Whether the call may still be made, for who did something else since entering: the provider may have asked
    /// another call of this client to wait, or stopped answering.
    pub(crate) fn still_open(&self) -> Result<(), Closed> {
        self.lane.look_again(self.admission)
    }

    /// The provider answered, whatever it said.
    pub(crate) fn answered(self) {
        self.lane.answered(self.admission);
    }

    /// No answer came, or none that a working token endpoint gives.
    pub(crate) fn unanswered(self) {
        self.lane.unanswered(self.admission);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        // Without effect where the outcome was told.
        self.lane.abandoned(self.admission);
    }
}

impl Rules {
    /// Spread, so that those who were sent away together do not come back together.
    fn closed(&self, because: ClosedBecause, at_least: Duration) -> Closed {
        Closed {
            retry_after: at_least.max(SHORTLY.mul_f64(0.5 + self.chance.roll())),
            because,
        }
    }

    /// What nobody waits for comes again when others have had their turn, and little of it while there is no answer.
    fn not_soon(&self, closed: Closed) -> Closed {
        let pause = match closed.because {
            ClosedBecause::Busy => TURNS,
            ClosedBecause::NotAnswering | ClosedBecause::AskedToWait => ABSENCE,
        };
        Closed {
            retry_after: closed.retry_after.max(pause) + pause.mul_f64(self.chance.roll()),
            ..closed
        }
    }
}

#[cfg(test)]
mod tests;
