//! The scheduler: renews what is due although nobody asks, spread, bounded, and fairly between workspaces.

mod refusal;

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use tokend_model::{
    WorkspaceName,
    ports::{DueRenewal, Share},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Error, Vending,
    refresh::{Past, RenewalCause, Wish},
};

/// How often what is due is looked for: while there is much of it, and else.
const BUSY_TICK: Duration = Duration::from_millis(100);
const TICK: Duration = Duration::from_secs(1);

/// What was taken is due again after this long, whatever becomes of this process: later than any attempt can last.
const PUT_OFF: Duration = Duration::from_secs(120);

/// Renewals under way at once in this process, and of these one workspace's.
const AT_ONCE: usize = 256;
const AT_ONCE_PER_WORKSPACE: usize = 64;

/// Of one workspace so many are taken at a time; one with fewer places left has enough.
const PER_WORKSPACE: usize = 16;

/// The scheduled renewals under way.
pub(crate) struct Places {
    all: Arc<Semaphore>,
    by_workspace: DashMap<WorkspaceName, Arc<Semaphore>>,
}

impl Places {
    pub(crate) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(AT_ONCE)),
            by_workspace: DashMap::new(),
        }
    }

    /// A place for a renewal of this workspace, if there is one.
    fn take(&self, workspace: &WorkspaceName) -> Option<[OwnedSemaphorePermit; 2]> {
        let of_workspace = self
            .by_workspace
            .entry(workspace.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE_PER_WORKSPACE)))
            .clone();
        let own = of_workspace.try_acquire_owned().ok()?;
        let place = self.all.clone().try_acquire_owned().ok()?;
        Some([own, place])
    }

    /// The workspaces of which no more can be taken; those that have nothing under way are forgotten.
    fn with_enough(&self) -> Vec<WorkspaceName> {
        self.by_workspace
            .retain(|_, places| places.available_permits() < AT_ONCE_PER_WORKSPACE);
        self.by_workspace
            .iter()
            .filter(|entry| entry.value().available_permits() < PER_WORKSPACE)
            .map(|entry| entry.key().clone())
            .collect()
    }
}

impl Vending {
    /// Renews what is due, for as long as it is polled. What was begun goes on after that.
    pub async fn keep_renewing(&self) {
        loop {
            let pause = match self.renew_due().await {
                Ok(0) if self.shared.places.all.available_permits() == AT_ONCE => TICK,
                Ok(_) => BUSY_TICK,
                Err(error) => {
                    tracing::warn!(%error, "what is due for renewal is not known for now");
                    TICK
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Takes a share of what is due and begins to renew it; answers how many were taken. Only what has a place is
    /// taken, and nothing while no provider may be called. Called by one task at a time.
    pub async fn renew_due(&self) -> Result<usize, Error> {
        let free = self.shared.places.all.available_permits();
        if free == 0 || self.may_call_providers().is_err() {
            return Ok(0);
        }
        let share = Share {
            limit: u32::try_from(free).unwrap_or(u32::MAX),
            per_workspace: u32::try_from(PER_WORKSPACE).unwrap_or(u32::MAX),
            put_off: PUT_OFF,
        };
        let enough = self.shared.places.with_enough();
        let due = self.shared.ports.renewals.take_due(share, &enough).await?;
        let taken = due.len();
        for renewal in due {
            let Some(places) = self.shared.places.take(&renewal.workspace) else {
                tracing::error!(id = %renewal.connection_id, "taken without a place; due again later");
                continue;
            };
            let this = self.clone();
            self.shared.tasks.spawn(async move {
                this.renew_scheduled(renewal).await;
                drop(places);
            });
        }
        Ok(taken)
    }

    async fn renew_scheduled(&self, due: DueRenewal) {
        let id = due.connection_id.clone();
        let wish = Wish {
            workspace: due.workspace.clone(),
            connection_id: due.connection_id.clone(),
            past: Past::Time(due.due_time),
            cause: RenewalCause::Scheduled,
        };
        match self.renew(wish).await {
            Ok(renewed) => {
                tracing::debug!(%id, generation = renewed.generation.0, "renewed ahead of time");
            }
            Err(error) => {
                match error {
                    // It waits for others, as is to be expected.
                    Error::RefreshInProgress { .. } => tracing::debug!(%id, "not renewed yet"),
                    _ => tracing::info!(%id, reason = error.reason(), "not renewed ahead of time"),
                }
                self.leave_alone(&due, &error).await;
            }
        }
    }

    /// It need not take a place again before that may help, nor wait for longer than that.
    async fn leave_alone(&self, due: &DueRenewal, error: &Error) {
        let roll = self.shared.ports.chance.roll();
        let Some(wait) = refusal::wait_after(error, due.is_pressing, roll) else {
            return;
        };
        let put_off = self.shared.ports.renewals.put_off(due, wait).await;
        if let Err(error) = put_off {
            tracing::debug!(id = %due.connection_id, %error, "due again at the usual time");
        }
    }
}
