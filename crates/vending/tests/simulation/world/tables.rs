//! The database as the ports describe it, in memory: each function is one transaction. The reference that the real
//! storage is compared with.

mod claims;
mod commits;
mod connections;
mod renewals;

use std::collections::{BTreeMap, HashMap};

use tokend_model::{
    Connection, ConnectionId, ConnectionStatus, Connector, Credential, Generation, Timestamp,
    WorkspaceName,
    ports::{
        Change, ChangedSubject, ChangesSeen, ClientRegistration, CommitOutcome, Holder, Orphan,
    },
};

/// All rows.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) rows: BTreeMap<ConnectionId, Row>,
    pub(crate) connectors: Vec<Connector>,
    pub(crate) pauses: HashMap<ClientRegistration, Timestamp>,
    pub(crate) changes: Vec<(Timestamp, Change)>,
    /// What is wrong with this database, to see that it is noticed.
    pub(crate) defect: Option<Defect>,
    orphans_made: u64,
}

/// A database that does not keep its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// A commit is not fenced: the last one wins, whatever its base.
    NoFence,
    /// A claim is granted although somebody else's is live.
    ClaimsGrantedTwice,
    /// An answer that comes too late is thrown away.
    OrphansDropped,
}

/// A connection with all that hangs on it.
pub(crate) struct Row {
    pub(crate) connection: Connection,
    pub(crate) present: Option<Credential>,
    pub(crate) previous: Option<Credential>,
    pub(crate) claim: Option<ClaimRow>,
    /// Oldest first.
    pub(crate) orphans: Vec<Orphan>,
    /// What attempts came to, by epoch: a repeated commit is told the same again.
    outcomes: BTreeMap<i64, CommitOutcome>,
}

/// The newest attempt on a connection.
#[derive(Debug, Clone)]
pub(crate) struct ClaimRow {
    pub(crate) epoch: i64,
    pub(crate) holder: Holder,
    pub(crate) started: Timestamp,
    pub(crate) heartbeat: Timestamp,
    pub(crate) deadline: Timestamp,
    pub(crate) open: bool,
}

impl Tables {
    fn row(&self, workspace: &WorkspaceName, id: &ConnectionId) -> Option<&Row> {
        let row = self.rows.get(id)?;
        (row.connection.workspace == *workspace).then_some(row)
    }

    fn row_mut(&mut self, workspace: &WorkspaceName, id: &ConnectionId) -> Option<&mut Row> {
        let row = self.rows.get_mut(id)?;
        (row.connection.workspace == *workspace).then_some(row)
    }

    fn note_change(&mut self, workspace: &WorkspaceName, id: &ConnectionId, now: Timestamp) {
        let change = Change {
            workspace: workspace.clone(),
            subject: ChangedSubject::Connection(id.clone()),
        };
        self.changes.push((now, change));
    }

    pub(crate) fn changes_since(&self, moment: Option<Timestamp>, now: Timestamp) -> ChangesSeen {
        let changes = self
            .changes
            .iter()
            .filter(|(at, _)| moment.is_some_and(|moment| *at >= moment))
            .map(|(_, change)| change.clone())
            .collect();
        ChangesSeen {
            changes,
            until: now,
            gap: false,
        }
    }
}

impl Row {
    /// Whether its present refresh token is of `base` and can be redeemed.
    fn can_refresh(&self, base: Generation) -> bool {
        self.connection.generation == base && self.connection.status != ConnectionStatus::Revoked
    }

    fn owns(&self, epoch: i64) -> bool {
        let claim = self.claim.as_ref();
        claim.is_some_and(|claim| claim.open && claim.epoch == epoch)
    }
}
