//! Claims: who may redeem a refresh token, and until when.

use std::time::Duration;

use tokend_model::{
    ConnectionId, ConnectionStatus, SILENCE, Timestamp,
    ports::{Claim, ClaimOutcome, ClaimRequest, Claimed, Orphan, RefreshFailure},
};

use super::{Defect, Row, Standing, Tables, delta, time_left};

impl Tables {
    pub(crate) fn claim(&mut self, request: &ClaimRequest, now: Timestamp) -> ClaimOutcome {
        let paused = self.pauses.get(&request.registration).copied();
        let before_return = self.time_to_return(now);
        let granted_twice = self.defect == Some(Defect::ClaimsGrantedTwice);
        let Some(row) = self
            .row_mut(&request.workspace, &request.connection_id)
            .filter(|row| row.can_refresh(request.base))
        else {
            return ClaimOutcome::Moved;
        };
        let earlier = row.claim.as_ref();
        let held = earlier.filter(|_| !granted_twice).and_then(|standing| {
            let doubted = row.connection.refresh_health.uncertain_since;
            let remaining = standing.remaining(request, doubted, now);
            let away = before_return.filter(|_| standing.may_be_alive(&request.holder));
            remaining.max(away)
        });
        if let Some(held) = held {
            return ClaimOutcome::Held(held);
        }
        if let Some(pause) = paused.and_then(|until| time_left(now, until)) {
            return ClaimOutcome::Paused(pause);
        }
        let taken_over =
            earlier.filter(|standing| standing.is_open() && standing.base == request.base);
        let began = taken_over.map(|standing| standing.started);
        let epoch = earlier.map_or(1, |standing| standing.epoch + 1);
        let predecessor = earlier.map_or(Timestamp::UNIX_EPOCH, |standing| {
            standing.longest_deadline(request)
        });
        let health = &mut row.connection.refresh_health;
        health.uncertain_since = health.uncertain_since.or(began);
        let free = request.takeover.silence.unwrap_or(request.time_to_live);
        row.connection.renewal_time = Some(now + delta(free.min(request.time_to_live)));
        let deadline = now + delta(request.time_to_live);
        row.claim = Some(Standing::new(
            epoch,
            &request.holder,
            request.base,
            (now, deadline),
            predecessor,
        ));
        ClaimOutcome::Claimed(Claimed {
            claim: Claim {
                workspace: request.workspace.clone(),
                connection_id: request.connection_id.clone(),
                epoch,
                base: request.base,
            },
            uncertain_since: row.connection.refresh_health.uncertain_since,
            orphan: row.successor().cloned(),
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
        let Some(standing) = row.own(claim.epoch) else {
            return false;
        };
        standing.heartbeat = now;
        if let Some(time_to_live) = time_to_live {
            standing.deadline = now + delta(time_to_live);
        }
        let missed = now + delta(time_to_live.unwrap_or(SILENCE));
        if let Some(renewal_time) = &mut row.connection.renewal_time {
            *renewal_time = (*renewal_time).max(missed);
        }
        true
    }

    /// Whether the failure was taken: the claim was still its holder's.
    pub(crate) fn fail(&mut self, claim: &Claim, failure: &RefreshFailure) -> bool {
        let Some(row) = self
            .row_mut(&claim.workspace, &claim.connection_id)
            .filter(|row| row.can_refresh(claim.base))
        else {
            return false;
        };
        let Some(standing) = row.own(claim.epoch) else {
            return false;
        };
        standing.close(claim.epoch);
        let not_over = failure.status == ConnectionStatus::Error && row.successor().is_some();
        let connection = &mut row.connection;
        connection.status = failure.status;
        connection.status_reason.clone_from(&failure.status_reason);
        connection.refresh_health = failure.health.clone();
        connection.renewal_time = failure.renewal_time;
        if not_over {
            connection.status = ConnectionStatus::Expired;
            connection.refresh_health.retry_time = None;
            connection.renewal_time = Some(Timestamp::UNIX_EPOCH);
        }
        if let Some((registration, until)) = &failure.pause {
            let longest = self.pauses.entry(registration.clone()).or_insert(*until);
            *longest = (*longest).max(*until);
        }
        true
    }

    pub(crate) fn has_open_claim(&self, id: &ConnectionId) -> bool {
        let standing = self.rows.get(id).and_then(|row| row.claim.as_ref());
        standing.is_some_and(Standing::is_open)
    }

    /// Whether a process holds the connection's claim, and it is open.
    pub(crate) fn is_held_by(&self, id: &ConnectionId, holder: &str) -> bool {
        let standing = self.rows.get(id).and_then(|row| row.claim.as_ref());
        standing.is_some_and(|standing| standing.is_open() && standing.holder.to_string() == holder)
    }
}

impl Row {
    /// The claim while it is open and still has this epoch: the fence.
    fn own(&mut self, epoch: i64) -> Option<&mut Standing> {
        let standing = self.claim.as_mut()?;
        (standing.is_open() && standing.epoch == epoch).then_some(standing)
    }

    /// The newest answer to an earlier attempt on the present generation.
    fn successor(&self) -> Option<&Orphan> {
        let next = self.connection.generation.next();
        let mut orphans = self.orphans.iter().rev().map(|late| &late.orphan);
        orphans.find(|orphan| orphan.credential.generation == next && !orphan.tried)
    }
}
