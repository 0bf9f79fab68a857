//! The engine's ports, filled by the simulated world: every effect of a process passes here.

mod authorization_server;
mod catalogue;
mod connections;
mod connectors;
mod operators;
mod refreshes;

use std::sync::Arc;

use tokend_model::{
    Timestamp,
    ports::{Clock, DeploymentGuard},
};
use tokend_vending::Ports;

pub(crate) use authorization_server::{CALL_TIME, ELSEWHERE, OVERLOADED, SILENT};
pub(crate) use catalogue::{CLIENT_ID, integration_type, slow_type};

use super::{World, journal::SimulatedJournal, process::Process, wire::Wire};

/// A process's database.
struct Database(Wire);

/// A process's own clock, which may be wrong.
struct WatchOf(Wire);

/// The database is this deployment's.
struct Ours;

/// All ports of one process.
pub(crate) fn of(world: &Arc<World>, process: &Arc<Process>) -> Ports {
    let wire = Wire {
        world: world.clone(),
        process: process.clone(),
    };
    let database = Arc::new(Database(wire.clone()));
    Ports {
        clock: Arc::new(WatchOf(wire.clone())),
        chance: Arc::new(Rolls(world.clone())),
        catalogue: Arc::new(catalogue::OneType(world.plan.facts.clone())),
        authorization_server: Arc::new(authorization_server::TokenEndpoint(wire.clone())),
        connectors: database.clone(),
        connections: database.clone(),
        refreshes: database.clone(),
        renewals: database.clone(),
        journal: Arc::new(SimulatedJournal(wire)),
        changes: database.clone(),
        deployment_guard: Arc::new(Ours),
        authorizations: database.clone(),
        integration_overrides: database.clone(),
        staged_imports: database.clone(),
        housekeeping: database.clone(),
        statistics: database.clone(),
        bulk_revocations: database,
    }
}

struct Rolls(Arc<World>);

impl tokend_model::ports::Chance for Rolls {
    fn roll(&self) -> f64 {
        self.0.dice.roll()
    }
}

impl Clock for WatchOf {
    fn now(&self) -> Timestamp {
        self.0.world.now() + self.0.process.clock_error
    }
}

impl DeploymentGuard for Ours {
    fn vends_only(&self) -> bool {
        false
    }
}
