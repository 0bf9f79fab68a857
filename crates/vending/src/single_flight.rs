//! One task for everybody who wants the same thing at the same time; it goes on when they have gone.

use std::{hash::Hash, sync::Arc};

use dashmap::{DashMap, Entry};
use futures::future::{BoxFuture, FutureExt, Shared};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

/// Tasks under way by key. Waiters share a task's result; dropping a waiter never drops the task.
pub(crate) struct SingleFlight<K, T> {
    flights: Arc<DashMap<K, Flight<T>>>,
    tasks: TaskTracker,
}

type Flight<T> = Shared<BoxFuture<'static, Result<T, Aborted>>>;

/// The task ended without a result: it panicked, or the runtime is going down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Aborted;

impl<K, T> SingleFlight<K, T>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Flights whose tasks are counted by `tasks`.
    pub(crate) fn new(tasks: TaskTracker) -> Self {
        Self {
            flights: Arc::default(),
            tasks,
        }
    }

    /// Joins the flight under `key`, or starts `task` as one.
    pub(crate) async fn run<F>(&self, key: K, task: impl FnOnce() -> F) -> Result<T, Aborted>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let flight = match self.flights.entry(key.clone()) {
            Entry::Occupied(flight) => flight.get().clone(),
            Entry::Vacant(place) => place.insert(self.start(key, task())).clone(),
        };
        flight.await
    }

    fn start(&self, key: K, task: impl Future<Output = T> + Send + 'static) -> Flight<T> {
        let (sender, receiver) = oneshot::channel();
        let landing = Landing {
            flights: self.flights.clone(),
            key,
        };
        self.tasks.spawn(async move {
            let result = task.await;
            // Off the board before anybody hears: whoever asks from now on starts anew and reads what is stored.
            drop(landing);
            let _ = sender.send(result);
        });
        receiver
            .map(|result| result.map_err(|_| Aborted))
            .boxed()
            .shared()
    }
}

/// Takes the flight off the board, also when its task panics.
struct Landing<K: Eq + Hash, T> {
    flights: Arc<DashMap<K, Flight<T>>>,
    key: K,
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        self.flights.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn many_callers_one_task_that_outlives_them() {
        let tasks = TaskTracker::new();
        let flights = Arc::new(SingleFlight::<u8, usize>::new(tasks.clone()));
        let (started, gate, ran) = (
            Arc::new(Notify::new()),
            Arc::new(Notify::new()),
            Arc::new(AtomicUsize::new(0)),
        );
        let task = || {
            let (started, gate, ran) = (started.clone(), gate.clone(), ran.clone());
            async move {
                started.notify_one();
                gate.notified().await;
                ran.fetch_add(1, Ordering::SeqCst)
            }
        };

        // The first caller goes away while the task is under way.
        let caller = tokio::spawn({
            let (flights, task) = (flights.clone(), task());
            async move { flights.run(1, || task).await }
        });
        started.notified().await;
        caller.abort();
        assert!(caller.await.is_err());

        let mut waiters: Vec<_> = (0..100).map(|_| Box::pin(flights.run(1, task))).collect();
        for waiter in &mut waiters {
            assert!(futures::poll!(waiter).is_pending());
        }
        gate.notify_one();
        for waiter in waiters {
            assert_eq!(waiter.await, Ok(0));
        }
        tasks.close();
        tasks.wait().await;
        assert_eq!(ran.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_panic_is_told_and_does_not_block_the_next() {
        let flights = SingleFlight::<u8, u8>::new(TaskTracker::new());
        assert_eq!(
            flights.run(1, || async { panic!("on purpose") }).await,
            Err(Aborted)
        );
        assert_eq!(flights.run(1, || async { 7 }).await, Ok(7));
    }
}
