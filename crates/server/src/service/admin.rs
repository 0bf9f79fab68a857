//! `AdminService`: what operators, the command line and control planes call. Each RPC admits, then goes to its room.

use std::sync::Arc;

use tokend_access::Action;
use tokend_api::v1::{self, admin_service_server::AdminService};
use tokend_model::{AuditAction, ports::Clock};
use tokend_vending::Vending;
use tonic::{Request, Response, Status};

use super::{
    asked::{Asked, Named},
    connector_service::answer,
    made::Made,
    suspensions::named,
};
use crate::{
    admission::{Admission, Admitted, Ask},
    failure::Failure,
    status,
};

/// Serves `tokend.v1.AdminService`.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) vending: Vending,
    pub(crate) admission: Arc<Admission>,
    pub(crate) clock: Arc<dyn Clock>,
}

type Answer<T> = Result<Response<T>, Status>;

impl Admin {
    /// Admits a call, and says what its request names.
    async fn admit<T: Asked>(
        &self,
        action: Action,
        audited: AuditAction,
        request: Request<T>,
    ) -> Result<(Admitted, Named, T), Status> {
        let asked = request.get_ref().asked();
        let value_of = |key| {
            let pair = asked.iter().find(|(name, _)| *name == key);
            pair.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let ask = Ask {
            integration_type: value_of("integrationType"),
            connector_id: value_of("connectorId"),
            ..Ask::new(action, audited)
        };
        let admission = &self.admission;
        let admitted = async {
            let call = admission
                .identify(request.metadata(), request.extensions())
                .await?;
            let attempted = admission
                .connector_of(&call, value_of("authorizationId"))
                .await?;
            let connector_id = match attempted.as_str() {
                "" => ask.connector_id,
                attempted => attempted,
            };
            let ask = Ask {
                connector_id,
                ..ask
            };
            let admitted = admission.admit(&Arc::new(call), ask).await?;
            admission.audit.check()?;
            Ok(admitted)
        };
        match admitted.await {
            Ok(admitted) => Ok((admitted, asked, request.into_inner())),
            Err(failure) => Err(status::about(&failure, asked)),
        }
    }

    /// The answer, once it is on record.
    async fn acted<T: Made>(
        &self,
        mut asked: Named,
        admitted: &Admitted,
        result: Result<T, impl Into<Failure>>,
    ) -> Answer<T> {
        let result = result.map_err(Into::into);
        let failure = result.as_ref().err();
        let named = asked.len();
        asked.extend(result.iter().flat_map(Made::made));
        let recorded = self.admission.audit.done(admitted, &asked, failure).await;
        asked.truncate(named);
        answer(|| asked, recorded.and(result))
    }
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn list_integration_types(
        &self,
        request: Request<v1::ListIntegrationTypesRequest>,
    ) -> Answer<v1::ListIntegrationTypesResponse> {
        let (admitted, asked, request) = self
            .admit(Action::ReadMetadata, AuditAction::MetadataRead, request)
            .await?;
        let result = self
            .list_integration_types_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn get_integration_type(
        &self,
        request: Request<v1::GetIntegrationTypeRequest>,
    ) -> Answer<v1::GetIntegrationTypeResponse> {
        let (admitted, asked, request) = self
            .admit(Action::ReadMetadata, AuditAction::MetadataRead, request)
            .await?;
        let result = self
            .get_integration_type_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn create_connector(
        &self,
        request: Request<v1::CreateConnectorRequest>,
    ) -> Answer<v1::CreateConnectorResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ManageConnectors,
                AuditAction::ConnectorCreate,
                request,
            )
            .await?;
        let result = self
            .create_connector_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn get_connector(
        &self,
        request: Request<v1::GetConnectorRequest>,
    ) -> Answer<v1::GetConnectorResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ReadConfiguration,
                AuditAction::MetadataRead,
                request,
            )
            .await?;
        let result = self.get_connector_in(admitted.workspace(), request).await;
        self.acted(asked, &admitted, result).await
    }

    async fn list_connectors(
        &self,
        request: Request<v1::ListConnectorsRequest>,
    ) -> Answer<v1::ListConnectorsResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ReadConfiguration,
                AuditAction::MetadataRead,
                request,
            )
            .await?;
        let result = self.list_connectors_in(admitted.workspace(), request).await;
        self.acted(asked, &admitted, result).await
    }

    async fn update_connector(
        &self,
        request: Request<v1::UpdateConnectorRequest>,
    ) -> Answer<v1::UpdateConnectorResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ManageConnectors,
                AuditAction::ConnectorUpdate,
                request,
            )
            .await?;
        let result = self
            .update_connector_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn delete_connector(
        &self,
        request: Request<v1::DeleteConnectorRequest>,
    ) -> Answer<v1::DeleteConnectorResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ManageConnectors,
                AuditAction::ConnectorDelete,
                request,
            )
            .await?;
        let result = self
            .delete_connector_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn apply_connectors(
        &self,
        request: Request<v1::ApplyConnectorsRequest>,
    ) -> Answer<v1::ApplyConnectorsResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ManageConnectors,
                AuditAction::ConnectorUpdate,
                request,
            )
            .await?;
        let result = match self.admit_connectors(&admitted, &request).await {
            Ok(()) => self
                .apply_connectors_in(admitted.workspace(), request)
                .await
                .map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        self.acted(asked, &admitted, result).await
    }

    async fn start_authorization(
        &self,
        request: Request<v1::StartAuthorizationRequest>,
    ) -> Answer<v1::StartAuthorizationResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ManageAuthorizations,
                AuditAction::AuthorizationStart,
                request,
            )
            .await?;
        let result = self
            .start_authorization_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn batch_start_authorizations(
        &self,
        request: Request<v1::BatchStartAuthorizationsRequest>,
    ) -> Answer<v1::BatchStartAuthorizationsResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ManageAuthorizations,
                AuditAction::AuthorizationStart,
                request,
            )
            .await?;
        let result = self.batch_start_authorizations_in(&admitted, request).await;
        self.acted(asked, &admitted, result).await
    }

    async fn complete_authorization(
        &self,
        request: Request<v1::CompleteAuthorizationRequest>,
    ) -> Answer<v1::CompleteAuthorizationResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ManageAuthorizations,
                AuditAction::AuthorizationComplete,
                request,
            )
            .await?;
        let result = self
            .complete_authorization_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn get_authorization(
        &self,
        request: Request<v1::GetAuthorizationRequest>,
    ) -> Answer<v1::GetAuthorizationResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ReadConfiguration,
                AuditAction::MetadataRead,
                request,
            )
            .await?;
        let result = self
            .get_authorization_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn list_connections(
        &self,
        request: Request<v1::ListConnectionsRequest>,
    ) -> Answer<v1::ListConnectionsResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ReadConfiguration,
                AuditAction::MetadataRead,
                request,
            )
            .await?;
        let result = self
            .list_connections_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn describe_connection(
        &self,
        request: Request<v1::DescribeConnectionRequest>,
    ) -> Answer<v1::DescribeConnectionResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ReadConfiguration,
                AuditAction::MetadataRead,
                request,
            )
            .await?;
        let result = self
            .describe_connection_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn update_connection(
        &self,
        request: Request<v1::UpdateConnectionRequest>,
    ) -> Answer<v1::UpdateConnectionResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ManageConnections,
                AuditAction::ConnectionUpdate,
                request,
            )
            .await?;
        let result = self
            .update_connection_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn reap_connections(
        &self,
        request: Request<v1::ReapConnectionsRequest>,
    ) -> Answer<v1::ReapConnectionsResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ManageConnections,
                AuditAction::ConnectionUpdate,
                request,
            )
            .await?;
        let result = self
            .reap_connections_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn refresh_connection(
        &self,
        request: Request<v1::RefreshConnectionRequest>,
    ) -> Answer<v1::RefreshConnectionResponse> {
        let (admitted, asked, request) = self
            .admit(Action::ManageConnections, AuditAction::Refresh, request)
            .await?;
        let result = self
            .refresh_connection_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn revoke_connection(
        &self,
        request: Request<v1::RevokeConnectionRequest>,
    ) -> Answer<v1::RevokeConnectionResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ManageConnections,
                AuditAction::ConnectionRevoke,
                request,
            )
            .await?;
        let result = self
            .revoke_connection_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn delete_connection(
        &self,
        request: Request<v1::DeleteConnectionRequest>,
    ) -> Answer<v1::DeleteConnectionResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ManageConnections,
                AuditAction::ConnectionDelete,
                request,
            )
            .await?;
        let result = self
            .delete_connection_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn import_connection(
        &self,
        request: Request<v1::ImportConnectionRequest>,
    ) -> Answer<v1::ImportConnectionResponse> {
        let (admitted, mut asked, request) = self
            .admit(
                Action::ManageAuthorizations,
                AuditAction::ConnectionImport,
                request,
            )
            .await?;
        let imported = self
            .import_connection_in(admitted.workspace(), request)
            .await;
        let result = imported.map_err(|failure| {
            let stored = failure.stored.map(|id| ("connectionId", id.to_string()));
            asked.extend(stored);
            failure.error
        });
        self.acted(asked, &admitted, result).await
    }

    async fn set_static_credential(
        &self,
        request: Request<v1::SetStaticCredentialRequest>,
    ) -> Answer<v1::SetStaticCredentialResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ManageAuthorizations,
                AuditAction::StaticCredentialSet,
                request,
            )
            .await?;
        let result = self
            .set_static_credential_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn get_statistics(
        &self,
        request: Request<v1::GetStatisticsRequest>,
    ) -> Answer<v1::GetStatisticsResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ReadConfiguration,
                AuditAction::MetadataRead,
                request,
            )
            .await?;
        let result = self.get_statistics_in(admitted.workspace(), request).await;
        self.acted(asked, &admitted, result).await
    }

    async fn export_user_data(
        &self,
        request: Request<v1::ExportUserDataRequest>,
    ) -> Answer<v1::ExportUserDataResponse> {
        let (admitted, asked, request) = self
            .admit(Action::ManageUsers, AuditAction::UserDataExport, request)
            .await?;
        let result = self
            .export_user_data_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn erase_user(
        &self,
        request: Request<v1::EraseUserRequest>,
    ) -> Answer<v1::EraseUserResponse> {
        let (admitted, asked, request) = self
            .admit(Action::ManageUsers, AuditAction::UserErase, request)
            .await?;
        let result = self.erase_user_in(admitted.workspace(), request).await;
        self.acted(asked, &admitted, result).await
    }

    async fn list_audit_events(
        &self,
        request: Request<v1::ListAuditEventsRequest>,
    ) -> Answer<v1::ListAuditEventsResponse> {
        let (admitted, asked, request) = self
            .admit(Action::ReadAudit, AuditAction::AuditRead, request)
            .await?;
        let result = self
            .list_audit_events_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn explain_access(
        &self,
        request: Request<v1::ExplainAccessRequest>,
    ) -> Answer<v1::ExplainAccessResponse> {
        let asked = request.get_ref().asked();
        match self.admit_explanation(&request).await {
            Ok(admitted) => {
                let request = request.into_inner();
                let result = self.explain_access_to(&admitted.call, request).await;
                self.acted(asked, &admitted, result).await
            }
            Err(failure) => Err(status::about(&failure, asked)),
        }
    }

    async fn rotate_keys(
        &self,
        request: Request<v1::RotateKeysRequest>,
    ) -> Answer<v1::RotateKeysResponse> {
        self.admit(Action::RotateKeys, AuditAction::KeysRotate, request)
            .await?;
        Err(status::unimplemented("RotateKeys"))
    }

    async fn suspend(&self, request: Request<v1::SuspendRequest>) -> Answer<v1::SuspendResponse> {
        let (admitted, mut asked, request) = self
            .admit(Action::Suspend, AuditAction::Suspension, request)
            .await?;
        asked.extend(named(request.kind(), &request.subject));
        let result = self.suspend_in(&admitted, request).await;
        self.acted(asked, &admitted, result).await
    }

    async fn resume(&self, request: Request<v1::ResumeRequest>) -> Answer<v1::ResumeResponse> {
        let (admitted, mut asked, request) = self
            .admit(Action::Suspend, AuditAction::Suspension, request)
            .await?;
        asked.extend(named(request.kind(), &request.subject));
        let result = self.resume_in(admitted.workspace(), request).await;
        self.acted(asked, &admitted, result).await
    }

    async fn list_suspensions(
        &self,
        request: Request<v1::ListSuspensionsRequest>,
    ) -> Answer<v1::ListSuspensionsResponse> {
        let (admitted, asked, _) = self
            .admit(
                Action::ReadConfiguration,
                AuditAction::MetadataRead,
                request,
            )
            .await?;
        let result = self.list_suspensions_in(admitted.workspace()).await;
        self.acted(asked, &admitted, result).await
    }

    async fn start_bulk_revocation(
        &self,
        request: Request<v1::StartBulkRevocationRequest>,
    ) -> Answer<v1::StartBulkRevocationResponse> {
        let (admitted, mut asked, request) = self
            .admit(Action::Suspend, AuditAction::BulkRevocation, request)
            .await?;
        let result = self.start_bulk_revocation_in(&admitted, request).await;
        let started = result
            .as_ref()
            .ok()
            .and_then(|started| started.bulk_revocation.as_ref());
        asked.extend(started.map(|job| ("bulkRevocationId", job.bulk_revocation_id.clone())));
        self.acted(asked, &admitted, result).await
    }

    async fn get_bulk_revocation(
        &self,
        request: Request<v1::GetBulkRevocationRequest>,
    ) -> Answer<v1::GetBulkRevocationResponse> {
        let (admitted, asked, request) = self
            .admit(
                Action::ReadConfiguration,
                AuditAction::MetadataRead,
                request,
            )
            .await?;
        let result = self
            .get_bulk_revocation_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }

    async fn list_bulk_revocations(
        &self,
        request: Request<v1::ListBulkRevocationsRequest>,
    ) -> Answer<v1::ListBulkRevocationsResponse> {
        let (admitted, asked, _) = self
            .admit(
                Action::ReadConfiguration,
                AuditAction::MetadataRead,
                request,
            )
            .await?;
        let result = self.list_bulk_revocations_in(admitted.workspace()).await;
        self.acted(asked, &admitted, result).await
    }

    async fn cancel_bulk_revocation(
        &self,
        request: Request<v1::CancelBulkRevocationRequest>,
    ) -> Answer<v1::CancelBulkRevocationResponse> {
        let (admitted, asked, request) = self
            .admit(Action::Suspend, AuditAction::BulkRevocation, request)
            .await?;
        let result = self
            .cancel_bulk_revocation_in(admitted.workspace(), request)
            .await;
        self.acted(asked, &admitted, result).await
    }
}
