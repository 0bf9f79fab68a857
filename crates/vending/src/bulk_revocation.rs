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
    ports::{
        BulkRevocation, BulkRevocationState, NewBulkRevocation, Progress, Report, StorageError,
    },
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

/// How often the connections are gone through, from the first on, before the job is let go. Once is enough, unless some
/// came behind meanwhile.
const PASSES: usize = 3;

/// What could not be revoked is tried again after so long.
const TRY_AGAIN: Duration = Duration::from_secs(10);

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
    /// Tells this take of the job from others, of this process too.
    holder: String,
    /// Nothing more is begun.
    stop: CancellationToken,
    /// Of how many the provider could not be told, since the job began.
    provider_failed: AtomicU64,
    /// How many could not be revoked, since they were last gone through from the first on.
    left_out: AtomicU64,
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

    /// Why a job does not go on here now, or does not come to its end, if so.
    pub fn bulk_revocation_obstacle(&self, job: &BulkRevocation) -> Option<String> {
        if !job.state.is_under_way() {
            return None;
        }
        let not_here = self.may_call_providers().err();
        not_here.map(|error| error.to_string()).or_else(|| {
            let count = job.left_out;
            (count > 0).then(|| {
                format!("connections that could not be revoked and are tried again: {count}; the log says why")
            })
        })
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
        let incarnation = &self.shared.options.holder.incarnation;
        let holder = format!("{incarnation}/{}", Uuid::now_v7());
        let jobs = &self.shared.ports.bulk_revocations;
        let Some(job) = jobs.take_bulk_revocation(&holder, LEASE).await? else {
            return Ok(None);
        };
        tracing::info!(id = %job.id, integration_type = %job.integration_type, "a bulk revocation goes on here");
        let run = Run {
            vending: self.clone(),
            holder,
            stop: stop.child_token(),
            provider_failed: AtomicU64::new(job.provider_failed),
            left_out: AtomicU64::new(0),
            job,
            is_away: AtomicBool::new(false),
        };
        run.carry_out().await
    }
}

impl Run {
    async fn carry_out(&self) -> Result<Option<BulkRevocation>, Error> {
        let over = CancellationToken::new();
        let work = async {
            let progress = self.revoke_all().await;
            over.cancel();
            progress
        };
        let (progress, ()) = join(work, self.keep_reporting(&over)).await;
        let last = (|| self.report(progress))
            .retry(until_stored().with_max_times(REPORT_TRIES))
            .await?;
        if let Some(job) = &last {
            let (total, revoked, failed) = (job.total, job.revoked, job.provider_failed);
            tracing::info!(id = %job.id, state = ?job.state, total, revoked, failed, "a bulk revocation ended here");
        }
        Ok(last)
    }

    /// Goes through what is left, again and again, until nothing is.
    async fn revoke_all(&self) -> Progress {
        for _ in 0..PASSES {
            self.left_out.store(0, Ordering::Relaxed);
            let found = self.go_through().await;
            if self.stop.is_cancelled() {
                return Progress::LetsGo(Duration::ZERO);
            }
            if found == 0 {
                return Progress::IsDone;
            }
            if self.left_out.load(Ordering::Relaxed) > 0 {
                break;
            }
        }
        Progress::LetsGo(TRY_AGAIN)
    }

    /// Revokes what is left, from the first id on; answers how many that was.
    async fn go_through(&self) -> usize {
        let mut after: Option<ConnectionId> = None;
        let mut found = 0;
        while !self.stop.is_cancelled() {
            let jobs = &self.vending.shared.ports.bulk_revocations;
            let portion = match jobs.yet_to_revoke(&self.job, after.as_ref(), PORTION).await {
                Ok(portion) => portion,
                Err(error) => {
                    tracing::warn!(id = %self.job.id, %error, "what is left to revoke is not known for now");
                    self.wait(REPORT).await;
                    continue;
                }
            };
            let Some(last) = portion.last().cloned() else {
                break;
            };
            after = Some(last);
            found += portion.len();
            stream::iter(portion)
                .for_each_concurrent(AT_ONCE, |id| Box::pin(self.end(id)))
                .await;
        }
        found
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
        let report = Report {
            provider_failed: self.provider_failed.load(Ordering::Relaxed),
            left_out: self.left_out.load(Ordering::Relaxed),
        };
        let jobs = &self.vending.shared.ports.bulk_revocations;
        jobs.report_bulk_revocation(&self.job, &self.holder, report, progress)
            .await
    }

    /// Waits, but not beyond the stop.
    async fn wait(&self, time: Duration) {
        let pause = tokio::time::sleep(time);
        self.stop.run_until_cancelled(pause).await;
    }
}
