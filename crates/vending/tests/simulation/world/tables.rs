//! The database as the ports describe it, in memory: each function is one transaction. The reference that the real
//! storage is compared with.

mod claims;
mod commits;
mod connections;
mod pulse;
mod renewals;
mod standing;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use chrono::TimeDelta;
use tokend_model::{
    Connection, ConnectionId, ConnectionStatus, Connector, Credential, Generation, Timestamp,
    WorkspaceName,
    ports::{Change, ChangedSubject, ChangesSeen, ClientRegistration, Orphan},
};

pub(crate) use pulse::Pulse;
pub(crate) use standing::Standing;

/// All rows.
#[derive(Default, Clone)]
pub(crate) struct Tables {
    pub(crate) rows: BTreeMap<ConnectionId, Row>,
    pub(crate) connectors: Vec<Connector>,
    pub(crate) pauses: HashMap<ClientRegistration, Timestamp>,
    /// `None`: the database belongs to nobody.
    pub(crate) pulse: Option<Pulse>,
    changes: Vec<(Timestamp, Change)>,
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
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) connection: Connection,
    /// The present one, and the one before as a fallback.
    pub(crate) credentials: BTreeMap<Generation, Credential>,
    /// The one that came from outside last; the others were renewed.
    consented: Generation,
    /// The newest attempt.
    pub(crate) claim: Option<Standing>,
    /// Oldest first.
    pub(crate) orphans: Vec<LateAnswer>,
}

/// An orphan, and the attempt that it is of.
#[derive(Clone)]
pub(crate) struct LateAnswer {
    pub(crate) orphan: Orphan,
    epoch: i64,
}

impl Tables {
    pub(crate) fn generation(&self, id: &ConnectionId) -> Option<Generation> {
        self.rows.get(id).map(|row| row.connection.generation)
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
            number: i64::try_from(self.changes.len()).unwrap_or(i64::MAX),
            workspace: workspace.clone(),
            subject: ChangedSubject::Connection(id.clone()),
        };
        self.changes.push((now, change));
    }
}

impl Row {
    /// The token set that is vended.
    pub(crate) fn present(&self) -> Option<&Credential> {
        self.credentials.get(&self.connection.generation)
    }

    /// Whether a token set is among its orphans.
    pub(crate) fn keeps(&self, credential: &Credential) -> bool {
        let mut orphans = self.orphans.iter();
        orphans.any(|late| late.orphan.credential.access_token == credential.access_token)
    }

    fn is_revoked(&self) -> bool {
        self.connection.status == ConnectionStatus::Revoked
    }

    /// Whether its present refresh token is of `base` and can be redeemed.
    fn can_refresh(&self, base: Generation) -> bool {
        self.connection.generation == base && !self.is_revoked()
    }

    /// Fences off whoever holds a claim.
    fn close_claims(&mut self) {
        if let Some(standing) = &mut self.claim {
            standing.close(standing.epoch + 1);
        }
    }
}

/// How long it is until a moment; `None` once it has come.
fn time_left(now: Timestamp, until: Timestamp) -> Option<Duration> {
    (until - now).to_std().ok().filter(|left| !left.is_zero())
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
