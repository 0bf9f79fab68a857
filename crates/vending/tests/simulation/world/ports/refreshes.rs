//! Claims and commits over the wire, watched by the oracle.

use std::time::Duration;

use async_trait::async_trait;
use tokend_model::{
    ConnectionId, Credential, Generation, WorkspaceName,
    ports::{
        Claim, ClaimOutcome, ClaimRequest, CommitOutcome, Orphan, RefreshFailure, Refreshes,
        Renewed, StorageError,
    },
};

use super::Database;

#[async_trait]
impl Refreshes for Database {
    async fn claim(&self, request: &ClaimRequest) -> Result<ClaimOutcome, StorageError> {
        let world = &self.0.world;
        let outcome = self
            .0
            .statement("claim", |tables, now| {
                let was_open = tables.has_open_claim(&request.connection_id);
                let outcome = tables.claim(request, now);
                world.note_claim(was_open, &outcome);
                outcome
            })
            .await;
        self.0.note(
            "claim",
            format_args!("{} -> {outcome:?}", request.connection_id),
        );
        outcome
    }

    async fn heartbeat(
        &self,
        claim: &Claim,
        time_to_live: Option<Duration>,
    ) -> Result<bool, StorageError> {
        self.0
            .statement("heartbeat", |tables, now| {
                tables.heartbeat(claim, time_to_live, now)
            })
            .await
    }

    async fn commit(
        &self,
        claim: &Claim,
        renewed: &Renewed,
    ) -> Result<CommitOutcome, StorageError> {
        let world = &self.0.world;
        let outcome = self
            .0
            .statement("commit", |tables, now| {
                let before = tables.generation(&claim.connection_id);
                let outcome = tables.commit(claim, renewed, now);
                world.note_commit((tables, before), claim, renewed, outcome, now);
                outcome
            })
            .await;
        if renewed.supersedes_at_once {
            world.bell.notify_waiters();
        }
        self.0.note(
            "commit",
            format_args!(
                "{} epoch {} base {} {} -> {outcome:?}",
                claim.connection_id,
                claim.epoch,
                claim.base.0,
                renewed.credential.access_token.expose()
            ),
        );
        outcome
    }

    async fn fail(&self, claim: &Claim, failure: &RefreshFailure) -> Result<(), StorageError> {
        let world = &self.0.world;
        let failed = self
            .0
            .statement("fail", |tables, now| {
                if tables.fail(claim, failure) {
                    world.note_failure(tables, claim, failure, now);
                }
            })
            .await;
        self.0.note(
            "fail",
            format_args!("{} epoch {} {failure:?}", claim.connection_id, claim.epoch),
        );
        failed
    }

    async fn orphans(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Vec<Orphan>, StorageError> {
        self.0
            .statement("orphans", |tables, _| tables.orphans(workspace, id))
            .await
    }

    async fn mark_tried(&self, claim: &Claim, orphan: &str) -> Result<(), StorageError> {
        self.0
            .statement("mark tried", |tables, _| tables.mark_tried(claim, orphan))
            .await
    }

    async fn previous_credential(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        before: Generation,
    ) -> Result<Option<Credential>, StorageError> {
        self.0
            .statement("previous", |tables, _| {
                tables.previous_credential(workspace, id, before)
            })
            .await
    }
}
