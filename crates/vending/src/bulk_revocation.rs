//! Revoking all connections of an integration type or connector, as a job that any replica carries out.

mod ending;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use backon::Retryable;
use futures::{StreamExt, future::join, stream};
use tokend_model::{
    BulkRevocationId, ConnectionId, ConnectorId, IntegrationTypeName, WorkspaceName,
    ports::{BulkRevocation, BulkRevocationState, NewBulkRevocation, Progress, StorageError},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Error, Vending, refresh::until_stored};

/// A job is somebody else's to go on with when its holder was not heard of for so long.
const LEASE: Duration = Duration::from_secs(10);

/// How often its holder tells how far it is, and looks whether it is still to go on.
const REPORT: Duration = Duration::from_secs(1);

/// So many connections are read at a time, and of these so many ended at once: no more than may stand in line at the
/// provider's gate.
const PORTION: u64 = 500;
const AT_ONCE: usize = 12;

/// How often a report is tried again before it is left to the next holder.
const REPORT_TRIES: usize = 6;

/// The longest comment, in bytes.
const LONGEST_COMMENT: usize = 1000;

/// So many jobs of a workspace are told of.
const MOST_TOLD: u64 = 100;

/// What is to be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartBulkRevocation {
    /// The workspace whose connections are meant.
    pub workspace: WorkspaceName,
    /// Their integration type.
    pub integration_type: IntegrationTypeName,
    /// Only those under this connector.
    pub connector_id: Option<ConnectorId>,
    /// Why, in the operator's words; at most 1000 bytes.
    pub comment: String,
    /// The name of the caller that begins it.
    pub started_by: String,
}

/// A job while this process carries it out.
struct Run {
    vending: Vending,
    job: BulkRevocation,
    /// Nothing more is begun.
    stop: CancellationToken,
    /// Of how many the provider could not be told since the last report.
    provider_failed: AtomicU64,
    /// The provider did not answer for long: nobody waits for it until it does.
    is_away: AtomicBool,
}

impl Vending {
    /// Queues a job; answers the present one if one of the same kind is under way.
    pub async fn start_bulk_revocation(
        &self,
        start: &StartBulkRevocation,
    ) -> Result<BulkRevocation, Error> {
        let workspace = &start.workspace;
        let integration_type = self.integration_type(workspace, &start.integration_type)?;
        if let Some(id) = &start.connector_id {
            let connector = self.get_connector(workspace, id).await?;
            if connector.integration_type != integration_type.name {
                let what = format!(
                    "connector '{id}' is of the integration type '{}'",
                    connector.integration_type
                );
                return Err(Error::ConnectorNotFound { what });
            }
        }
        if start.comment.len() > LONGEST_COMMENT {
            return Err(Error::invalid("comment", "must be at most 1000 bytes"));
        }
        let new = NewBulkRevocation {
            id: BulkRevocationId::from_uuid(Uuid::now_v7()),
            workspace: workspace.clone(),
            integration_type: integration_type.name.clone(),
            connector_id: start.connector_id.clone(),
            comment: start.comment.clone(),
            started_by: start.started_by.clone(),
        };
        let jobs = &self.shared.ports.bulk_revocations;
        Ok(jobs.start_bulk_revocation(&new).await?)
    }

    /// One job.
    pub async fn bulk_revocation(
        &self,
        workspace: &WorkspaceName,
        id: &BulkRevocationId,
    ) -> Result<BulkRevocation, Error> {
        let jobs = &self.shared.ports.bulk_revocations;
        let found = jobs.bulk_revocation(workspace, id).await?;
        found.ok_or(Error::BulkRevocationNotFound)
    }

    /// The newest jobs of a workspace, the newest first.
    pub async fn bulk_revocations(
        &self,
        workspace: &WorkspaceName,
    ) -> Result<Vec<BulkRevocation>, Error> {
        let jobs = &self.shared.ports.bulk_revocations;
        Ok(jobs.bulk_revocations(workspace, MOST_TOLD).await?)
    }

    /// Stops a job unless it is over; answers it as it is then.
    pub async fn cancel_bulk_revocation(
        &self,
        workspace: &WorkspaceName,
        id: &BulkRevocationId,
    ) -> Result<BulkRevocation, Error> {
        let jobs = &self.shared.ports.bulk_revocations;
        let found = jobs.cancel_bulk_revocation(workspace, id).await?;
        found.ok_or(Error::BulkRevocationNotFound)
    }

    /// Why a job does not go on here now, if it does not.
    pub fn bulk_revocation_obstacle(&self, job: &BulkRevocation) -> Option<Error> {
        let obstacle = self.may_call_providers().err();
        obstacle.filter(|_| job.state.is_under_way())
    }

    /// Takes up a job that nobody holds, and carries it out until it is done or cancelled, or until `stop`; answers it
    /// as it is then. `None`: there is none, or no provider may be called. What was begun is brought to its end.
    pub async fn carry_out_bulk_revocation(
        &self,
        stop: &CancellationToken,
    ) -> Result<Option<BulkRevocation>, Error> {
        if self.may_call_providers().is_err() || stop.is_cancelled() {
            return Ok(None);
        }
        let holder = &self.shared.options.holder.incarnation;
        let jobs = &self.shared.ports.bulk_revocations;
        let Some(job) = jobs.take_bulk_revocation(holder, LEASE).await? else {
            return Ok(None);
        };
        tracing::info!(id = %job.id, integration_type = %job.integration_type, "a bulk revocation goes on here");
        let run = Run {
            vending: self.clone(),
            job,
            stop: stop.child_token(),
            provider_failed: AtomicU64::new(0),
            is_away: AtomicBool::new(false),
        };
        run.carry_out().await
    }
}

impl Run {
    async fn carry_out(&self) -> Result<Option<BulkRevocation>, Error> {
        let over = CancellationToken::new();
        let work = async {
            let complete = self.revoke_all().await;
            over.cancel();
            complete
        };
        let (complete, ()) = join(work, self.keep_reporting(&over)).await;
        let progress = match complete {
            true => Progress::IsDone,
            false => Progress::LetsGo,
        };
        let last = (|| self.report(progress))
            .retry(until_stored().with_max_times(REPORT_TRIES))
            .await?;
        if let Some(job) = &last {
            let (total, revoked, failed) = (job.total, job.revoked, job.provider_failed);
            tracing::info!(id = %job.id, state = ?job.state, total, revoked, failed, "a bulk revocation ended here");
        }
        Ok(last)
    }

    /// Whether nothing is left that could be revoked.
    async fn revoke_all(&self) -> bool {
        let mut after: Option<ConnectionId> = None;
        loop {
            let jobs = &self.vending.shared.ports.bulk_revocations;
            let portion = match jobs.yet_to_revoke(&self.job, after.as_ref(), PORTION).await {
                Ok(portion) => portion,
                Err(error) => {
                    tracing::warn!(id = %self.job.id, %error, "what is left to revoke is not known for now");
                    self.wait(REPORT).await;
                    if self.stop.is_cancelled() {
                        return false;
                    }
                    continue;
                }
            };
            let Some(last) = portion.last().cloned() else {
                return !self.stop.is_cancelled();
            };
            after = Some(last);
            stream::iter(portion)
                .for_each_concurrent(AT_ONCE, |id| Box::pin(self.end(id)))
                .await;
            if self.stop.is_cancelled() {
                return false;
            }
        }
    }

    /// Tells how far it is until it is over, and has it stopped if it is not to go on.
    async fn keep_reporting(&self, over: &CancellationToken) {
        while over
            .run_until_cancelled(tokio::time::sleep(REPORT))
            .await
            .is_some()
        {
            if self.vending.may_call_providers().is_err() {
                self.stop.cancel();
            }
            match self.report(Progress::GoesOn(LEASE)).await {
                Ok(Some(job)) if job.state == BulkRevocationState::Running => {}
                Ok(_) => self.stop.cancel(),
                Err(error) => {
                    tracing::warn!(id = %self.job.id, %error, "its progress is not written")
                }
            }
        }
    }

    async fn report(&self, progress: Progress) -> Result<Option<BulkRevocation>, StorageError> {
        let failed = self.provider_failed.swap(0, Ordering::Relaxed);
        let jobs = &self.vending.shared.ports.bulk_revocations;
        let holder = &self.vending.shared.options.holder.incarnation;
        let reported = jobs
            .report_bulk_revocation(&self.job, holder, failed, progress)
            .await;
        if reported.is_err() {
            self.provider_failed.fetch_add(failed, Ordering::Relaxed);
        }
        reported
    }

    /// Waits, but not beyond the stop.
    async fn wait(&self, time: Duration) {
        let pause = tokio::time::sleep(time);
        self.stop.run_until_cancelled(pause).await;
    }
}
