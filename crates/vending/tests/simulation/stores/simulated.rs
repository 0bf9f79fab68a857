//! Operations on the simulated database.

use tokend_model::{ConnectionId, Timestamp, WorkspaceName};

use super::{
    operation::{Operation, after, fixed_time},
    outcome::{Outcome, Seen},
};
use crate::world::tables::Tables;

/// Does it at a moment.
pub(super) fn perform(tables: &mut Tables, operation: &Operation, now: Timestamp) -> Outcome {
    let outcome = match operation.clone() {
        Operation::Found => {
            tables.found();
            Outcome::Done
        }
        Operation::Beat => {
            tables.beat(now);
            Outcome::Done
        }
        Operation::Connect(mut new, renewal) => {
            new.renewal_time = after(now, renewal);
            Outcome::Connected(Box::new(tables.connect(&new, fixed_time())))
        }
        Operation::Delete(workspace, id) => Outcome::Ended(tables.delete(&workspace, &id, now)),
        Operation::Revoke(workspace, id) => {
            Outcome::Ended(tables.revoke(&workspace, &id, "BY_USER", now))
        }
        Operation::Claim(request) => Outcome::Claim(Box::new(tables.claim(&request, now))),
        Operation::Heartbeat(claim, longer) => {
            Outcome::Beats(tables.heartbeat(&claim, longer, now))
        }
        Operation::Commit(claim, mut renewed, renewal) => {
            renewed.renewal_time = after(now, renewal);
            Outcome::Commit(tables.commit(&claim, &renewed, now))
        }
        Operation::Fail(claim, failing) => {
            tables.fail(&claim, &failing.at(now));
            Outcome::Done
        }
        Operation::TakeDue(share, enough, wait) => {
            let taken = tables.take_due(share, &enough, now);
            for (one, wait) in taken.iter().zip(wait.into_iter().cycle()) {
                tables.put_off(one, wait, now);
            }
            Outcome::Due(taken)
        }
        Operation::MarkTried(claim, number) => {
            let orphans = tables.orphans(&claim.workspace, &claim.connection_id);
            if let Some(orphan) = orphans.get(number) {
                tables.mark_tried(&claim, &orphan.id);
            }
            Outcome::Done
        }
        Operation::Previous(claim) => {
            let (workspace, id) = (&claim.workspace, &claim.connection_id);
            let previous = tables.previous_credential(workspace, id, claim.base);
            Outcome::Credential(previous.map(Box::new))
        }
    };
    outcome.rounded(now)
}

/// What is there of a connection.
pub(super) fn look(
    tables: &Tables,
    workspace: &WorkspaceName,
    id: &ConnectionId,
    now: Timestamp,
) -> Seen {
    Seen::new(
        tables.get(workspace, id),
        &tables.generations(workspace, id),
        tables.orphans(workspace, id),
        now,
    )
}
