//! The life of a replica's process: killed it does nothing any more, stopped it does nothing until it goes on.

use std::{
    future::pending,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokend_model::ports::Holder;
use tokio::{sync::Notify, time::Instant};

/// One incarnation of a replica.
pub(crate) struct Process {
    /// Unique in the run, over all replicas.
    pub(crate) number: usize,
    pub(crate) replica: usize,
    pub(crate) holder: Holder,
    pub(crate) clock_error: chrono::TimeDelta,
    life: Mutex<Life>,
    died: Notify,
    serving: AtomicBool,
}

#[derive(Clone, Copy)]
enum Life {
    Runs,
    Stopped(Instant),
    Dead,
}

impl Process {
    pub(crate) fn start(replica: usize, number: usize, clock_error: i64) -> Self {
        Self {
            number,
            replica,
            holder: Holder {
                replica: format!("replica-{replica}"),
                incarnation: number.to_string(),
            },
            clock_error: chrono::TimeDelta::seconds(clock_error),
            life: Mutex::new(Life::Runs),
            died: Notify::new(),
            serving: AtomicBool::new(false),
        }
    }

    /// Comes back when the process may go on: at once, after a stop, or never.
    pub(crate) async fn runs(&self) {
        loop {
            let life = *self.life();
            match life {
                Life::Runs => return,
                Life::Dead => pending().await,
                Life::Stopped(until) if until <= Instant::now() => return,
                Life::Stopped(until) => tokio::time::sleep_until(until).await,
            }
        }
    }

    /// From now on it takes calls.
    pub(crate) fn serve(&self) {
        self.serving.store(true, Ordering::Relaxed);
    }

    /// Whether it ever took calls.
    pub(crate) fn serves(&self) -> bool {
        self.serving.load(Ordering::Relaxed)
    }

    /// kill -9.
    pub(crate) fn kill(&self) {
        *self.life() = Life::Dead;
        self.died.notify_waiters();
        self.died.notify_one();
    }

    /// SIGSTOP, and SIGCONT after a while.
    pub(crate) fn stop(&self, during: Duration) {
        let mut life = self.life();
        if !matches!(*life, Life::Dead) {
            *life = Life::Stopped(Instant::now() + during);
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        matches!(*self.life(), Life::Dead)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        matches!(*self.life(), Life::Stopped(until) if until > Instant::now())
    }

    /// Comes back once it is dead.
    pub(crate) async fn death(&self) {
        while !self.is_dead() {
            self.died.notified().await;
        }
    }

    fn life(&self) -> std::sync::MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
