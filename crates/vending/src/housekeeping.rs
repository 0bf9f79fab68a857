//! Housekeeping: connections' tags, and removing what has been over for long.

use std::{collections::BTreeMap, time::Duration};

use tokend_model::{Connection, ConnectionId, WorkspaceName};

use crate::{Error, Vending, tags::check_tags};

/// The shortest time a connection has to have been dead: until then what is left of it may still bring it back.
const SHORTEST_DAYS: u32 = 30;

/// The time unless it is said.
const USUAL_DAYS: u32 = 90;

/// So much goes in one call.
const BATCH: u64 = 1000;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What was over for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaped {
    /// Connections.
    pub connections: Vec<Connection>,
    /// Attempts to connect.
    pub authorizations: u64,
}

impl Vending {
    /// Gives a connection these tags in place of those it has.
    pub async fn set_tags(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        tags: &BTreeMap<String, String>,
    ) -> Result<Connection, Error> {
        check_tags(tags)?;
        let set = self
            .shared
            .ports
            .housekeeping
            .set_tags(workspace, id, tags)
            .await?;
        set.ok_or(Error::ConnectionNotFound)
    }

    /// Removes connections that ended at least `dead_for_days` ago (`None`: 90) and were not used since, and attempts to
    /// connect whose time ran out; 1000 of each at most. With `dry_run` it only tells them. Providers are not told: they
    /// were when a connection was revoked, and one in `ERROR` is one whose grant they refused.
    pub async fn reap(
        &self,
        workspace: &WorkspaceName,
        dead_for_days: Option<u32>,
        dry_run: bool,
    ) -> Result<Reaped, Error> {
        let days = dead_for_days.unwrap_or(USUAL_DAYS);
        if days < SHORTEST_DAYS {
            let why = format!("must be at least {SHORTEST_DAYS}, or 0 for {USUAL_DAYS}");
            return Err(Error::invalid("dead_for_days", why));
        }
        let ports = &self.shared.ports;
        let connections = ports
            .housekeeping
            .reap_connections(workspace, DAY * days, BATCH, dry_run)
            .await?;
        let now = ports.clock.now();
        let authorizations = ports
            .housekeeping
            .reap_authorizations(workspace, now, BATCH, dry_run)
            .await?;
        Ok(Reaped {
            connections,
            authorizations,
        })
    }
}
