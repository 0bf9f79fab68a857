//! Revoking all connections of an integration type or connector, as a job.

use tokend_api::v1;
use tokend_model::{
    BulkRevocationId, WorkspaceName,
    ports::{BulkRevocation, BulkRevocationState},
};
use tokend_vending::{Error, StartBulkRevocation};

use super::{admin::Admin, from_proto, to_proto};
use crate::admission::Admitted;

impl Admin {
    pub(super) async fn start_bulk_revocation_in(
        &self,
        admitted: &Admitted,
        request: v1::StartBulkRevocationRequest,
    ) -> Result<v1::StartBulkRevocationResponse, Error> {
        let connector_id = match request.connector_id.as_str() {
            "" => None,
            id => Some(from_proto::connector_id(id)?),
        };
        let start = StartBulkRevocation {
            workspace: admitted.workspace().clone(),
            integration_type: from_proto::integration_type(&request.integration_type)?,
            connector_id,
            comment: request.comment,
            started_by: admitted.call.caller.name.clone(),
        };
        let job = self.vending.start_bulk_revocation(&start).await?;
        Ok(v1::StartBulkRevocationResponse {
            bulk_revocation: Some(self.shown_job(job)),
        })
    }

    pub(super) async fn get_bulk_revocation_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::GetBulkRevocationRequest,
    ) -> Result<v1::GetBulkRevocationResponse, Error> {
        let id = job_id(request.bulk_revocation_id)?;
        let job = self.vending.bulk_revocation(workspace, &id).await?;
        Ok(v1::GetBulkRevocationResponse {
            bulk_revocation: Some(self.shown_job(job)),
        })
    }

    pub(super) async fn list_bulk_revocations_in(
        &self,
        workspace: &WorkspaceName,
    ) -> Result<v1::ListBulkRevocationsResponse, Error> {
        let jobs = self.vending.bulk_revocations(workspace).await?;
        let bulk_revocations = jobs.into_iter().map(|job| self.shown_job(job)).collect();
        Ok(v1::ListBulkRevocationsResponse { bulk_revocations })
    }

    pub(super) async fn cancel_bulk_revocation_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::CancelBulkRevocationRequest,
    ) -> Result<v1::CancelBulkRevocationResponse, Error> {
        let id = job_id(request.bulk_revocation_id)?;
        let job = self.vending.cancel_bulk_revocation(workspace, &id).await?;
        Ok(v1::CancelBulkRevocationResponse {
            bulk_revocation: Some(self.shown_job(job)),
        })
    }

    fn shown_job(&self, job: BulkRevocation) -> v1::BulkRevocation {
        let obstacle = self.vending.bulk_revocation_obstacle(&job);
        v1::BulkRevocation {
            bulk_revocation_id: job.id.to_string(),
            integration_type: job.integration_type.to_string(),
            connector_id: job
                .connector_id
                .map(|id| id.to_string())
                .unwrap_or_default(),
            state: state(job.state).into(),
            total_count: number(job.total),
            revoked_count: number(job.revoked),
            provider_failed_count: number(job.provider_failed),
            started_by: job.started_by,
            create_time: Some(to_proto::timestamp(job.create_time)),
            end_time: job.end_time.map(to_proto::timestamp),
            comment: job.comment,
            obstacle: obstacle.unwrap_or_default(),
        }
    }
}

fn job_id(text: String) -> Result<BulkRevocationId, Error> {
    BulkRevocationId::new(text)
        .map_err(|invalid| Error::invalid("bulk_revocation_id", invalid.to_string()))
}

fn state(state: BulkRevocationState) -> v1::BulkRevocationState {
    match state {
        BulkRevocationState::Queued => v1::BulkRevocationState::Queued,
        BulkRevocationState::Running => v1::BulkRevocationState::Running,
        BulkRevocationState::Done => v1::BulkRevocationState::Done,
        BulkRevocationState::Cancelled => v1::BulkRevocationState::Cancelled,
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
