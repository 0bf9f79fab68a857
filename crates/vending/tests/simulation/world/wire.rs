//! The way from a process to the database: where statements are slow, fail, or succeed unheard, and where the process
//! is killed or stopped.

use std::{fmt, sync::Arc, time::Duration};

use tokend_model::{Timestamp, ports::StorageError};

use super::{World, process::Process, tables::Tables};

/// A process's view of the world.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) world: Arc<World>,
    pub(crate) process: Arc<Process>,
}

/// No answer to a statement; whether it took effect is not known.
#[derive(Debug, thiserror::Error)]
#[error("simulated: {0}")]
struct Unreachable(&'static str);

impl Wire {
    /// One transaction: on its way, done all at once, and its answer on the way back.
    pub(crate) async fn statement<T>(
        &self,
        what: &'static str,
        transaction: impl FnOnce(&mut Tables, Timestamp) -> T + Send,
    ) -> Result<T, StorageError> {
        let world = &self.world;
        let faults = &world.plan.faults;
        self.enter(what).await;
        if world.database_is_away() {
            self.travel(1..2000).await;
            return Err(unavailable("away"));
        }
        if world.fault(faults.statement_fails) {
            self.travel(0..5000).await;
            self.note(what, format_args!("fails"));
            return Err(unavailable("failed"));
        }
        // A statement that was sent may still be carried out when its sender is dead.
        let sent = match world.fault(faults.slow) {
            true => world.dice.milliseconds(1000..90_000),
            false => Duration::from_millis(world.dice.between(0..9).saturating_sub(4)),
        };
        if !sent.is_zero() {
            tokio::time::sleep(sent).await;
        }
        if self.process.is_dead() && world.dice.chance(0.5) {
            self.process.runs().await;
        }
        if world.database_is_away() {
            return Err(unavailable("went away"));
        }
        let done = transaction(&mut world.tables(), world.now());
        self.process.runs().await;
        self.leave(what).await;
        if world.fault(faults.outcome_unknown) {
            self.travel(0..5000).await;
            self.note(what, format_args!("succeeds unheard"));
            return Err(unavailable("outcome unknown"));
        }
        Ok(done)
    }

    /// Where a process may be killed or stopped before it does something.
    pub(crate) async fn enter(&self, what: &'static str) {
        self.process.runs().await;
        self.strike(what, "before").await;
    }

    /// The same, after it has done it.
    pub(crate) async fn leave(&self, what: &'static str) {
        self.strike(what, "after").await;
    }

    /// Takes a while.
    pub(crate) async fn travel(&self, milliseconds: std::ops::Range<u64>) {
        tokio::time::sleep(self.world.dice.milliseconds(milliseconds)).await;
        self.process.runs().await;
    }

    pub(crate) fn note(&self, what: &str, happens: fmt::Arguments<'_>) {
        let (replica, number) = (self.process.replica, self.process.number);
        self.world
            .trace
            .write(|| format!("r{replica}/{number} {what} {happens}"));
    }

    pub(crate) fn kill(&self) {
        // Killed before it serves it was down already.
        if self.process.serves() {
            self.world.note_killed();
        }
        self.process.kill();
    }

    async fn strike(&self, what: &'static str, when: &str) {
        let (world, faults) = (&self.world, &self.world.plan.faults);
        if world.kills(faults.crash) {
            self.note(what, format_args!("KILLED {when}"));
            self.kill();
        } else if world.fault(faults.freeze) {
            let pause = Duration::from_secs(world.dice.between(1..120));
            self.note(what, format_args!("STOPPED {when} for {pause:?}"));
            self.process.stop(pause);
        }
        self.process.runs().await;
    }
}

fn unavailable(why: &'static str) -> StorageError {
    StorageError::Unavailable(Box::new(Unreachable(why)))
}
