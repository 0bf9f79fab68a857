//! The same operations on a real database.

use tokend_model::{
    ConnectionId, Timestamp, WorkspaceName,
    ports::{Connections, Deployments, Refreshes, Renewals},
};
use tokend_storage::Storage;

use super::{
    operation::{Operation, after, fixed_time},
    outcome::{Outcome, Seen},
};

/// The deployment that the database belongs to.
const DEPLOYMENT: &str = "here";

/// Does it now, which is `now` or a moment later.
pub(super) async fn perform(storage: &Storage, operation: &Operation, now: Timestamp) -> Outcome {
    let outcome = match operation.clone() {
        Operation::Found => {
            storage.found(DEPLOYMENT).await.unwrap();
            Outcome::Done
        }
        Operation::Beat => {
            // It does nothing where the database is nobody's, and says so.
            let _ = storage.beat(DEPLOYMENT).await;
            Outcome::Done
        }
        Operation::Connect(mut new, renewal) => {
            new.renewal_time = after(now, renewal);
            let connected = storage.connect(&new, fixed_time()).await.unwrap();
            Outcome::Connected(Box::new(connected))
        }
        Operation::Delete(workspace, id) => {
            let ended = Connections::delete(storage, &workspace, &id).await;
            Outcome::Ended(ended.unwrap())
        }
        Operation::Revoke(workspace, id) => {
            let ended = storage.revoke(&workspace, &id, "BY_USER").await;
            Outcome::Ended(ended.unwrap())
        }
        Operation::Claim(request) => {
            Outcome::Claim(Box::new(storage.claim(&request).await.unwrap()))
        }
        Operation::Heartbeat(claim, longer) => {
            Outcome::Beats(storage.heartbeat(&claim, longer).await.unwrap())
        }
        Operation::Commit(claim, mut renewed, renewal) => {
            renewed.renewal_time = after(now, renewal);
            Outcome::Commit(storage.commit(&claim, &renewed).await.unwrap())
        }
        Operation::Fail(claim, failing) => {
            storage.fail(&claim, &failing.at(now)).await.unwrap();
            Outcome::Done
        }
        Operation::TakeDue(share, enough, wait) => {
            let taken = storage.take_due(share, &enough).await.unwrap();
            for (one, wait) in taken.iter().zip(wait.into_iter().cycle()) {
                storage.put_off(one, wait).await.unwrap();
            }
            Outcome::Due(taken)
        }
        Operation::MarkTried(claim, number) => {
            let orphans = storage.orphans(&claim.workspace, &claim.connection_id);
            if let Some(orphan) = orphans.await.unwrap().get(number) {
                storage.mark_tried(&claim, &orphan.id).await.unwrap();
            }
            Outcome::Done
        }
        Operation::Previous(claim) => {
            let (workspace, id) = (&claim.workspace, &claim.connection_id);
            let previous = storage.previous_credential(workspace, id, claim.base);
            Outcome::Credential(previous.await.unwrap().map(Box::new))
        }
    };
    outcome.rounded(now)
}

/// What is there of a connection.
pub(super) async fn look(
    storage: &Storage,
    workspace: &WorkspaceName,
    id: &ConnectionId,
    now: Timestamp,
) -> Seen {
    let found = Connections::get(storage, workspace, id).await.unwrap();
    let generations = storage.generations(workspace, id).await.unwrap();
    let orphans = storage.orphans(workspace, id).await.unwrap();
    Seen::new(found, &generations, orphans, now)
}
