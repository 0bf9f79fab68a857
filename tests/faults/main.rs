//! Faults: several real `tokend serve` processes on one PostgreSQL, killed, stopped and restarted under load. The
//! simulator runs in the test's own process, so that its ledger tells what is true. Short forms run with all tests;
//! `make rig-crash`, `rig-burst`, `rig-restart`, `rig-pause`, `rig-outage`, `rig-failover` and `rig-clocks` run the long ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accounts;
mod bulk_revocation;
mod burst;
mod clocks;
mod crash;
mod failover;
mod fleet;
mod hot;
mod limits;
mod load;
mod outage;
mod pause;
mod provider_class;
mod proxy;
mod replica;
mod restart;
mod scale;
mod switch;
