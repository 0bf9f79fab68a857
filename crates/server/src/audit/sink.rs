//! A sink as those who record see it: a queue to whatever writes, and whether it is any good now.

use std::{
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError},
    },
    time::Duration,
};

use tokend_model::AuditEvent;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::config::AuditSink;

/// Records that may wait for a sink; those that find no room go to the next one.
pub(super) const QUEUE: usize = 2048;
/// Of those, refusals: whoever floods with them leaves room for the others.
const REFUSALS: usize = QUEUE / 4;
/// So long a refusal's caller waits for its record; it gets nothing that has to be on record before.
const PATIENCE: Duration = Duration::from_millis(500);
/// Records that are written together at most.
pub(super) const BATCH: usize = 512;
/// How often a sink that was left aside is tried again.
pub(super) const PROBE: Duration = Duration::from_secs(1);

/// What a sink is told.
pub(super) enum Order {
    /// Put an event on record; answers whether that was done.
    Record(Request),
    /// Finish and end.
    Close(oneshot::Sender<()>),
}

/// An event to be put on record.
pub(super) struct Request {
    pub(super) event: Arc<AuditEvent>,
    pub(super) done: oneshot::Sender<bool>,
    /// A refusal's place among those that may wait, until it is written.
    room: Option<OwnedSemaphorePermit>,
}

/// Whether a sink is used. Set aside by whoever sees it fail or hang; used again once it has taken something.
#[derive(Clone)]
pub(super) struct Health {
    good: Arc<watch::Sender<bool>>,
    kind: AuditSink,
}

/// Where orders wait.
pub(super) enum Queue {
    Thread(SyncSender<Order>),
    Task(mpsc::Sender<Order>),
}

/// One of the places that records go to.
pub(super) struct Sink {
    queue: Queue,
    pub(super) health: Health,
    refusals: Arc<Semaphore>,
}

impl Request {
    /// Whether it need not be put on record any more: who waited for it has asked the next sink.
    pub(super) fn is_given_up(&self) -> bool {
        self.done.is_closed() && self.room.is_none()
    }
}

impl Health {
    pub(super) fn new(kind: AuditSink) -> Self {
        Self {
            good: Arc::new(watch::Sender::new(true)),
            kind,
        }
    }

    pub(super) fn is_good(&self) -> bool {
        *self.good.borrow()
    }

    /// It took something.
    pub(super) fn took(&self) {
        if !self.is_good() && !self.good.send_replace(true) {
            tracing::info!(sink = ?self.kind, "the audit sink takes records again");
        }
    }

    /// It failed or hangs.
    pub(super) fn set_aside(&self, why: &dyn std::fmt::Display) {
        if self.good.send_replace(false) {
            tracing::error!(sink = ?self.kind, %why, "the audit sink is left aside until it takes records again");
        }
    }
}

impl Sink {
    pub(super) fn new(queue: Queue, health: Health) -> Self {
        Self {
            queue,
            health,
            refusals: Arc::new(Semaphore::new(REFUSALS)),
        }
    }

    pub(super) fn kind(&self) -> AuditSink {
        self.health.kind
    }

    /// Puts the event on record here; `false` if that failed, or is not known within the limit.
    pub(super) async fn take(&self, event: &Arc<AuditEvent>, limit: Duration) -> bool {
        let mut health = self.health.good.subscribe();
        if !*health.borrow_and_update() {
            return false;
        }
        let (done, answered) = oneshot::channel();
        let event = event.clone();
        let room = None;
        if !self.queue.put(Order::Record(Request { event, done, room })) {
            return false;
        }
        let taken = async {
            tokio::select! {
                biased;
                taken = answered => taken.unwrap_or(false),
                _ = health.wait_for(|good| !good) => false,
            }
        };
        match tokio::time::timeout(limit, taken).await {
            Ok(taken) => taken,
            Err(_) => {
                self.health.set_aside(&"it takes too long");
                false
            }
        }
    }

    /// Puts a refusal on record here if there is room for it; one that is not written soon is written later.
    pub(super) async fn take_refusal(&self, event: &Arc<AuditEvent>) -> bool {
        if !self.health.is_good() {
            return false;
        }
        let Ok(room) = self.refusals.clone().try_acquire_owned() else {
            return false;
        };
        let (done, answered) = oneshot::channel();
        let request = Request {
            event: event.clone(),
            done,
            room: Some(room),
        };
        if !self.queue.put(Order::Record(request)) {
            return false;
        }
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(taken) => taken.unwrap_or(false),
            Err(_) => true,
        }
    }

    /// Ends it once what waits is written; one that hangs is not waited for any longer than this.
    pub(super) async fn close(&self, limit: Duration) {
        let (done, ended) = oneshot::channel();
        if self.queue.put(Order::Close(done)) && tokio::time::timeout(limit, ended).await.is_err() {
            tracing::warn!(sink = ?self.health.kind, "the audit sink did not end in time");
        }
    }
}

impl Queue {
    /// Whether there was room.
    fn put(&self, order: Order) -> bool {
        match self {
            Self::Thread(queue) => match queue.try_send(order) {
                Ok(()) => true,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
            },
            Self::Task(queue) => queue.try_send(order).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokend_model::{AuditAction, AuditOutcome, Timestamp, WorkspaceName};

    use super::*;
    use crate::audit::event::event;

    #[tokio::test(start_paused = true)]
    async fn refusals_leave_room_and_are_written_although_nobody_waits() {
        let (queue, mut orders) = mpsc::channel(QUEUE);
        let sink = Sink::new(Queue::Task(queue), Health::new(AuditSink::Database));
        let workspace = WorkspaceName::default_workspace();
        let event = Arc::new(event(
            Timestamp::UNIX_EPOCH,
            &workspace,
            AuditAction::Vend,
            AuditOutcome::Denied,
        ));
        let flood = (0..QUEUE).map(|_| sink.take_refusal(&event));
        let taken = futures::future::join_all(flood).await;
        assert_eq!(taken.iter().filter(|taken| **taken).count(), REFUSALS);
        assert!(
            sink.health.is_good(),
            "their patience says nothing about it"
        );
        assert_eq!(orders.len(), REFUSALS);

        let vend = sink.take(&event, Duration::from_secs(1));
        let (vended, waiting) = tokio::join!(vend, async {
            let mut waiting = 0;
            while let Some(Order::Record(request)) = orders.recv().await {
                let is_vend = request.room.is_none();
                waiting += usize::from(!request.is_given_up());
                let _ = request.done.send(true);
                if is_vend {
                    break;
                }
            }
            waiting
        });
        assert!(vended);
        assert_eq!(waiting, REFUSALS + 1);
        assert_eq!(sink.refusals.available_permits(), REFUSALS);
    }
}
