//! The replicas: started, killed, started again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokend_model::RefreshPolicy;
use tokend_vending::{GateOptions, Vending, VendingOptions};
use tokio::time::Instant;

use crate::world::{World, ports, process::Process, wire::Wire};

/// How often a process counts the database's pulse on.
const PULSE: Duration = Duration::from_secs(5);

/// How long after it was asserted a claim may still begin a call.
pub(crate) const CLAIM_MARGIN: Duration = Duration::from_secs(3);

/// All replicas, each with the process that serves just now.
pub(crate) struct Fleet {
    pub(crate) world: Arc<World>,
    serving: Vec<Mutex<Option<Serving>>>,
    processes: Mutex<usize>,
    /// Nothing changes behind the replicas' backs after this.
    storm_end: Instant,
}

/// A process that takes calls.
#[derive(Clone)]
pub(crate) struct Serving {
    pub(crate) process: Arc<Process>,
    pub(crate) vending: Vending,
}

impl Fleet {
    pub(crate) fn new(world: Arc<World>) -> Arc<Self> {
        let serving = (0..world.plan.replicas).map(|_| Mutex::default()).collect();
        let storm = Duration::from_secs(world.plan.storm + 30);
        Arc::new(Self {
            storm_end: Instant::now() + storm,
            world,
            serving,
            processes: Mutex::default(),
        })
    }

    pub(crate) fn start(self: &Arc<Self>) {
        for replica in 0..self.serving.len() {
            tokio::spawn(self.clone().keep_running(replica));
        }
    }

    /// The process that serves for a replica, if one does.
    pub(crate) fn serving(&self, replica: usize) -> Option<Serving> {
        self.slot(replica)
            .clone()
            .filter(|serving| !serving.process.is_stopped() && !serving.process.is_dead())
    }

    pub(crate) fn any(&self) -> Option<Serving> {
        self.serving(self.world.dice.below(self.serving.len()))
    }

    pub(crate) fn size(&self) -> usize {
        self.serving.len()
    }

    async fn keep_running(self: Arc<Self>, replica: usize) {
        loop {
            let process = Arc::new(self.next_process(replica));
            let vending = Vending::new(ports::of(&self.world, &process), options(&process));
            tokio::select! {
                biased;
                () = process.death() => {}
                () = self.beat(&process) => {}
                () = self.live(&process, &vending) => {}
            }
            *self.slot(replica) = None;
            let pause = self.world.dice.milliseconds(300..20_000);
            tokio::time::sleep(pause).await;
        }
    }

    /// The life of a process: first what the one before left in the journal, then its work.
    async fn live(&self, process: &Arc<Process>, vending: &Vending) {
        while vending.recover_journal().await.is_err() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        process.serve();
        self.world.note_serving();
        *self.slot(process.replica) = Some(Serving {
            process: process.clone(),
            vending: vending.clone(),
        });
        let renewing = async {
            loop {
                let _ = vending.renew_due().await;
                let plan = &self.world.plan;
                let pause = match self.world.is_calm() && !plan.has_short_window() {
                    true => 3000..15_000,
                    false => plan.scheduler_pause(),
                };
                tokio::time::sleep(self.world.dice.milliseconds(pause)).await;
            }
        };
        match self.world.plan.operator {
            true => {
                let until_calm = tokio::time::timeout_at(self.storm_end, vending.follow_changes());
                let _ = futures::join!(until_calm, renewing);
            }
            false => renewing.await,
        }
    }

    /// Counts the database's pulse on.
    async fn beat(&self, process: &Arc<Process>) {
        let wire = Wire {
            world: self.world.clone(),
            process: process.clone(),
        };
        loop {
            let _ = wire
                .statement("pulse", |tables, now| tables.beat(now))
                .await;
            tokio::time::sleep(match self.world.is_calm() {
                true => 2 * PULSE,
                false => PULSE,
            })
            .await;
        }
    }

    fn next_process(&self, replica: usize) -> Process {
        let mut number = self
            .processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *number += 1;
        let clock_error = self.world.plan.clock_errors[replica];
        Process::start(replica, *number, clock_error)
    }

    fn slot(&self, replica: usize) -> std::sync::MutexGuard<'_, Option<Serving>> {
        self.serving[replica]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn options(process: &Process) -> VendingOptions {
    VendingOptions {
        refresh_policy: policy(),
        claim_time_to_live: Duration::from_secs(65),
        claim_margin: CLAIM_MARGIN,
        claim_wait: Duration::from_secs(10),
        stale_limit: Duration::from_secs(900),
        gate: GateOptions::default(),
        authorization_time_to_live: Duration::from_secs(600),
        holder: process.holder.clone(),
        public_url: "http://127.0.0.1:8080".to_owned(),
        return_urls: Vec::new(),
    }
}

/// The usual one, but for the longest pause: a run is short.
pub(crate) fn policy() -> RefreshPolicy {
    RefreshPolicy {
        longest_pause: Duration::from_secs(120),
        ..RefreshPolicy::default()
    }
}
