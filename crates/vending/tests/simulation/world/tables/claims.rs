//! Claims: who may redeem a refresh token, and until when.

use std::time::Duration;

use chrono::TimeDelta;
use tokend_model::{
    ConnectionStatus, Timestamp,
    ports::{Claim, ClaimOutcome, ClaimRequest, Claimed, RefreshFailure},
};

use super::{ClaimRow, Defect, Tables};

impl Tables {
    pub(crate) fn claim(&mut self, request: &ClaimRequest, now: Timestamp) -> ClaimOutcome {
        let pause = self.pauses.get(&request.registration).copied();
        let defect = self.defect;
        let Some(row) = self.row_mut(&request.workspace, &request.connection_id) else {
            return ClaimOutcome::Moved;
        };
        if !row.can_refresh(request.base) {
            return ClaimOutcome::Moved;
        }
        let abandoned = match &row.claim {
            Some(open) if open.open => {
                if !open.may_be_taken_over(request, now)
                    && defect != Some(Defect::ClaimsGrantedTwice)
                {
                    return ClaimOutcome::Held(left(open.deadline, now));
                }
                Some(open.started)
            }
            _ => None,
        };
        if let Some(until) = pause.filter(|until| *until > now) {
            return ClaimOutcome::Paused(left(until, now));
        }
        let health = &mut row.connection.refresh_health;
        health.uncertain_since = health.uncertain_since.or(abandoned);
        let epoch = row.claim.as_ref().map_or(1, |claim| claim.epoch + 1);
        row.claim = Some(ClaimRow {
            epoch,
            holder: request.holder.clone(),
            started: now,
            heartbeat: now,
            deadline: now + delta(request.time_to_live),
            open: true,
        });
        let next = request.base.next();
        let orphans = row.orphans.iter().rev();
        ClaimOutcome::Claimed(Claimed {
            claim: Claim {
                workspace: request.workspace.clone(),
                connection_id: request.connection_id.clone(),
                epoch,
                base: request.base,
            },
            uncertain_since: row.connection.refresh_health.uncertain_since,
            orphan: orphans
                .filter(|orphan| orphan.credential.generation == next)
                .map(Clone::clone)
                .next(),
        })
    }

    pub(crate) fn heartbeat(
        &mut self,
        claim: &Claim,
        time_to_live: Option<Duration>,
        now: Timestamp,
    ) -> bool {
        let Some(row) = self.row_mut(&claim.workspace, &claim.connection_id) else {
            return false;
        };
        if !row.owns(claim.epoch) {
            return false;
        }
        if let Some(open) = &mut row.claim {
            open.heartbeat = now;
            if let Some(time_to_live) = time_to_live {
                open.deadline = now + delta(time_to_live);
            }
        }
        true
    }

    /// Whether the failure was taken: the claim was still its holder's.
    pub(crate) fn fail(&mut self, claim: &Claim, failure: &RefreshFailure) -> bool {
        let Some(row) = self.row_mut(&claim.workspace, &claim.connection_id) else {
            return false;
        };
        if !row.can_refresh(claim.base) || !row.owns(claim.epoch) {
            return false;
        }
        if let Some(open) = &mut row.claim {
            open.open = false;
        }
        row.connection.status = failure.status;
        row.connection
            .status_reason
            .clone_from(&failure.status_reason);
        row.connection.refresh_health = failure.health.clone();
        row.connection.renewal_time = failure.renewal_time;
        if let Some((registration, until)) = &failure.pause {
            let longest = self.pauses.entry(registration.clone()).or_insert(*until);
            *longest = (*longest).max(*until);
        }
        true
    }

    /// Whether a process holds the connection's claim, and it is open.
    pub(crate) fn is_held_by(&self, claim: &tokend_model::ConnectionId, holder: &str) -> bool {
        let row = self.rows.get(claim);
        row.and_then(|row| row.claim.as_ref())
            .is_some_and(|claim| claim.open && claim.holder.to_string() == holder)
    }
}

impl ClaimRow {
    fn may_be_taken_over(&self, request: &ClaimRequest, now: Timestamp) -> bool {
        let holder_died = self.holder.replica == request.holder.replica
            && self.holder.incarnation != request.holder.incarnation;
        let rule = request.takeover;
        let silent = rule
            .silence
            .is_some_and(|silence| now - self.heartbeat >= delta(silence));
        let young = rule
            .only_within
            .is_none_or(|within| now - self.started < delta(within));
        self.deadline <= now || holder_died || silent && young
    }

    /// Whether somebody is at it still.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.open && self.deadline > now
    }
}

impl super::Row {
    pub(super) fn is_revoked(&self) -> bool {
        self.connection.status == ConnectionStatus::Revoked
    }
}

fn left(until: Timestamp, now: Timestamp) -> Duration {
    (until - now).to_std().unwrap_or_default()
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
