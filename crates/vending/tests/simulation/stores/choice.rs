//! Which operation comes next: a seed decides, knowing what was claimed and committed before.

use std::{collections::BTreeSet, time::Duration};

use chrono::TimeDelta;
use tokend_model::{
    ConnectionId, ConnectionStatus, Generation, SILENCE, TakeoverRule, WorkspaceName,
    ports::{Claim, ClaimOutcome, ClaimRequest, Holder, Renewed, Share},
};

use super::{
    operation::{Failing, Operation, client, consent, renewed, workspaces},
    outcome::Outcome,
};
use crate::world::tables::Tables;

/// The seed's chance, and what can be named.
pub(super) struct Choice {
    rng: fastrand::Rng,
    /// Whether the pulse goes on all the time.
    steady: bool,
    numbers: usize,
    /// All that were ever made.
    connections: BTreeSet<(WorkspaceName, ConnectionId)>,
    claims: Vec<Claim>,
    commits: Vec<(Claim, Renewed)>,
}

impl Choice {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            steady: seed % 2 == 1,
            numbers: 0,
            connections: BTreeSet::new(),
            claims: Vec::new(),
            commits: Vec::new(),
        }
    }

    pub(super) fn connections(&self) -> impl Iterator<Item = &(WorkspaceName, ConnectionId)> {
        self.connections.iter()
    }

    /// How long it is until the next operation.
    pub(super) fn pause(&mut self) -> TimeDelta {
        let seconds: &[i64] = match self.steady {
            true => &[0, 0, 1, 2, 3, 4, 5],
            false => &[0, 0, 0, 1, 2, 3, 5, 7, 9, 13, 30, 61],
        };
        TimeDelta::seconds(self.pick(seconds))
    }

    pub(super) fn operation(&mut self, tables: &Tables) -> Operation {
        if self.connections.is_empty() || self.rng.u8(0..100) < 6 {
            return self.connect();
        }
        if self.steady && self.rng.bool() {
            return Operation::Beat;
        }
        if let Some(id) = with_successor(tables)
            && let Some(claim) = self.claims.iter().rfind(|claim| claim.connection_id == id)
            && self.rng.bool()
        {
            let claim = claim.clone();
            return match self.rng.u8(0..3) {
                0 => Operation::MarkTried(claim, self.rng.usize(0..2)),
                1 => Operation::Fail(claim, Box::new(self.failing())),
                _ => self.ask_for_claim(tables, claim.workspace, id),
            };
        }
        if let Some(claim) = self.claim()
            && self.rng.u8(0..100) < 60
        {
            return match self.rng.u8(0..60) {
                0..15 => Operation::Heartbeat(claim, self.time_to_live()),
                15..37 => self.commit(claim),
                37..50 => Operation::Fail(claim, Box::new(self.failing())),
                50..55 => Operation::MarkTried(claim, self.rng.usize(0..3)),
                _ => Operation::Previous(claim),
            };
        }
        let (workspace, id) = self.connection();
        match self.rng.u8(0..100) {
            0..5 => Operation::Delete(workspace, id),
            5..10 => Operation::Revoke(workspace, id),
            10..13 => Operation::Found,
            13..28 => Operation::Beat,
            28..40 => {
                let enough = (self.rng.u8(0..4) == 0).then(|| self.workspace());
                let wait = self.pick(&[None, Some(3_u64), Some(200)]);
                Operation::TakeDue(
                    self.share(tables),
                    enough.into_iter().collect(),
                    wait.map(Duration::from_secs),
                )
            }
            _ => self.ask_for_claim(tables, workspace, id),
        }
    }

    /// What came of an operation can be named from now on.
    pub(super) fn learn(&mut self, operation: &Operation, outcome: &Outcome) {
        match (operation, outcome) {
            (_, Outcome::Connected(connection)) => {
                let key = (connection.workspace.clone(), connection.id.clone());
                self.connections.insert(key);
            }
            (_, Outcome::Claim(claim)) => {
                if let ClaimOutcome::Claimed(claimed) = claim.as_ref() {
                    self.claims.push(claimed.claim.clone());
                }
            }
            (Operation::Commit(claim, renewed, _), _) => {
                self.commits.push((claim.clone(), renewed.as_ref().clone()));
            }
            _ => {}
        }
    }

    fn connect(&mut self) -> Operation {
        self.numbers += 1;
        let workspace = self.workspace();
        let (user, refreshable) = (self.rng.usize(0..2), self.rng.u8(0..4) > 0);
        let new = consent(&workspace, user, self.numbers, refreshable, self.rng.bool());
        Operation::Connect(Box::new(new), self.seconds())
    }

    fn commit(&mut self, claim: Claim) -> Operation {
        let repeated = self.rng.u8(0..4) == 0;
        if let Some((claim, renewed)) = self.rng.choice(&self.commits).filter(|_| repeated) {
            let (claim, mut renewed) = (claim.clone(), renewed.clone());
            if self.rng.u8(0..3) == 0 {
                renewed.credential.refresh_token = None;
            }
            return Operation::Commit(claim, Box::new(renewed), Some(50));
        }
        self.numbers += 1;
        let (rotated, at_once) = (self.rng.u8(0..4) > 0, self.rng.bool());
        let renewed = renewed(self.numbers, rotated, at_once);
        Operation::Commit(claim, Box::new(renewed), self.seconds())
    }

    fn ask_for_claim(
        &mut self,
        tables: &Tables,
        workspace: WorkspaceName,
        connection_id: ConnectionId,
    ) -> Operation {
        let present = tables.generation(&connection_id).map_or(1, |it| it.0);
        let base = match self.rng.u8(0..10) {
            0 => present.saturating_sub(1),
            1 => present + 1,
            _ => present,
        };
        let takeover = match self.rng.u8(0..4) {
            0 => TakeoverRule::default(),
            _ => TakeoverRule {
                silence: Some(SILENCE),
                only_within: self
                    .pick(&[None, Some(12), Some(55)])
                    .map(Duration::from_secs),
            },
        };
        Operation::Claim(Box::new(ClaimRequest {
            registration: client(&workspace, self.pick(&["one", "other"])),
            workspace,
            connection_id,
            base: Generation(base),
            holder: Holder {
                replica: self.pick(&["a", "b"]).to_owned(),
                incarnation: self.pick(&["1", "2"]).to_owned(),
            },
            time_to_live: Duration::from_secs(self.pick(&[5, 20, 65])),
            takeover,
        }))
    }

    fn failing(&mut self) -> Failing {
        use ConnectionStatus::{Authorized, Error, Expired};
        let paused = self.rng.u8(0..4) == 0;
        Failing {
            status: self.pick(&[Authorized, Authorized, Expired, Error]),
            failures: self.rng.u32(0..5),
            retry: self.seconds(),
            accused: self.seconds(),
            uncertain: self.seconds().filter(|seconds| *seconds > 20),
            renewal: self.seconds(),
            pause: paused.then(|| {
                let workspace = self.workspace();
                (
                    client(&workspace, self.pick(&["one", "other"])),
                    self.pick(&[1, 10, 40]),
                )
            }),
        }
    }

    /// Where two are due in the same second nobody knows which comes first, so that all have to be taken.
    fn share(&mut self, tables: &Tables) -> Share {
        let times: Vec<_> = tables
            .rows
            .values()
            .filter_map(|row| row.connection.renewal_time)
            .collect();
        let different: BTreeSet<_> = times.iter().collect();
        let (limit, per_workspace) = match different.len() == times.len() {
            true => (self.pick(&[1, 2, 10]), self.pick(&[1, 10])),
            false => (10, 10),
        };
        Share {
            limit,
            per_workspace,
            put_off: Duration::from_secs(self.pick(&[7, 120])),
        }
    }

    /// One of the last claims.
    fn claim(&mut self) -> Option<Claim> {
        let recent = self.claims.len().saturating_sub(4);
        let mut claim = self.rng.choice(&self.claims[recent..])?.clone();
        if self.rng.u8(0..20) == 0 {
            claim.workspace = self.workspace();
        }
        Some(claim)
    }

    fn connection(&mut self) -> (WorkspaceName, ConnectionId) {
        let all: Vec<_> = self.connections.iter().cloned().collect();
        let (workspace, id) = all[self.rng.usize(0..all.len())].clone();
        match self.rng.u8(0..20) {
            0 => (self.workspace(), id),
            _ => (workspace, id),
        }
    }

    fn workspace(&mut self) -> WorkspaceName {
        let [first, second] = workspaces();
        match self.rng.u8(0..3) {
            0 => second,
            _ => first,
        }
    }

    fn time_to_live(&mut self) -> Option<Duration> {
        self.pick(&[None, None, Some(65)]).map(Duration::from_secs)
    }

    fn seconds(&mut self) -> Option<i64> {
        self.pick(&[None, Some(2), Some(15), Some(45), Some(90)])
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.usize(0..of.len())]
    }
}

/// A connection whose next token set is there already, from an attempt that came too late.
fn with_successor(tables: &Tables) -> Option<ConnectionId> {
    let mut rows = tables.rows.values().map(|row| {
        let next = row.connection.generation.next();
        let mut orphans = row.orphans.iter().map(|late| &late.orphan.credential);
        (row, orphans.any(|credential| credential.generation == next))
    });
    rows.find(|(_, has_successor)| *has_successor)
        .map(|(row, _)| row.connection.id.clone())
}
