//! The script of faults: a queue per endpoint, a standing fault, and gates that hold requests.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::fault::{Endpoint, Fault};

/// The handle by which a test makes endpoints misbehave. Cheap to clone.
#[derive(Clone, Default)]
pub struct Faults {
    token: Arc<Lane>,
    revoke: Arc<Lane>,
    userinfo: Arc<Lane>,
}

/// Holds the requests of an endpoint until it is opened or dropped.
#[must_use = "a gate that is dropped opens at once"]
pub struct Gate {
    lane: Arc<Lane>,
}

/// One endpoint's part of the script.
#[derive(Default)]
pub(crate) struct Lane {
    plan: Mutex<Plan>,
    held: watch::Sender<bool>,
    released: watch::Sender<u64>,
    waiting: watch::Sender<usize>,
}

#[derive(Default)]
struct Plan {
    queue: VecDeque<Fault>,
    standing: Option<Fault>,
}

impl Faults {
    /// Adds a fault for the next request that has none queued before it.
    pub fn push(&self, endpoint: Endpoint, fault: Fault) {
        self.lane(endpoint).plan().queue.push_back(fault);
    }

    /// Makes every request without a queued fault misbehave this way; `None` ends it.
    pub fn always(&self, endpoint: Endpoint, fault: Option<Fault>) {
        self.lane(endpoint).plan().standing = fault;
    }

    /// Forgets the queue and the standing fault of an endpoint.
    pub fn clear(&self, endpoint: Endpoint) {
        *self.lane(endpoint).plan() = Plan::default();
    }

    /// How many queued faults have not been used.
    pub fn pending(&self, endpoint: Endpoint) -> usize {
        self.lane(endpoint).plan().queue.len()
    }

    /// Closes a gate: requests wait in front of the endpoint, unprocessed, until it is opened.
    pub fn hold(&self, endpoint: Endpoint) -> Gate {
        let lane = Arc::clone(self.lane(endpoint));
        lane.held.send_replace(true);
        Gate { lane }
    }

    /// Lets go the requests that [`Fault::Hang`] and [`Fault::HoldAnswer`] keep now.
    pub fn release(&self, endpoint: Endpoint) {
        self.lane(endpoint).released.send_modify(|turn| *turn += 1);
    }

    /// Waits until at least `count` requests are held by a gate, a hang or a held answer.
    pub async fn waiting(&self, endpoint: Endpoint, count: usize) {
        self.lane(endpoint).reached(count).await;
    }

    pub(crate) fn lane(&self, endpoint: Endpoint) -> &Arc<Lane> {
        match endpoint {
            Endpoint::Token => &self.token,
            Endpoint::Revoke => &self.revoke,
            Endpoint::Userinfo => &self.userinfo,
        }
    }
}

impl Gate {
    /// Waits until at least `count` requests are waiting at the gate.
    pub async fn waiting(&self, count: usize) {
        self.lane.reached(count).await;
    }

    /// Lets all of them through.
    pub fn open(self) {}
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.lane.held.send_replace(false);
    }
}

impl Lane {
    /// The fault for a request that arrives now.
    pub(crate) fn next(&self) -> Option<Fault> {
        let mut plan = self.plan();
        plan.queue.pop_front().or_else(|| plan.standing.clone())
    }

    /// Comes back once no gate is closed.
    pub(crate) async fn pass_gate(&self) {
        let mut held = self.held.subscribe();
        if *held.borrow_and_update() {
            let _counted = Waiting::count(&self.waiting);
            // The sender lives in self: waiting cannot end by its loss.
            let _ = held.wait_for(|held| !held).await;
        }
    }

    /// Comes back at the next release.
    pub(crate) async fn wait_for_release(&self) {
        let mut released = self.released.subscribe();
        let _counted = Waiting::count(&self.waiting);
        let _ = released.changed().await;
    }

    async fn reached(&self, count: usize) {
        let _ = self
            .waiting
            .subscribe()
            .wait_for(|waiting| *waiting >= count)
            .await;
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a waiting request for as long as it lives, also when the client goes away.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn count(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|count| *count += 1);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
