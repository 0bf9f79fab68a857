//! `AdminService`: what operators, the command line and control planes call. Each RPC admits, then goes to its room.

use std::sync::Arc;

use tokend_access::Action;
use tokend_api::v1::{self, admin_service_server::AdminService};
use tokend_model::ports::Clock;
use tokend_vending::Vending;
use tonic::{Request, Response, Status};

use super::{asked::Asked, connector_service::answer};
use crate::{
    admission::{Admission, Admitted},
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
    async fn admit<T>(&self, request: Request<T>) -> Result<(Admitted, T), Status> {
        self.admit_to(Action::Administer, request).await
    }

    async fn admit_to<T>(
        &self,
        action: Action,
        request: Request<T>,
    ) -> Result<(Admitted, T), Status> {
        let admitted = self.admission.admit(request.metadata(), action).await?;
        Ok((admitted, request.into_inner()))
    }
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn list_integration_types(
        &self,
        request: Request<v1::ListIntegrationTypesRequest>,
    ) -> Answer<v1::ListIntegrationTypesResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit_to(Action::ReadMetadata, request).await?;
        answer(
            || asked,
            self.list_integration_types_in(&admitted.workspace, request)
                .await,
        )
    }

    async fn get_integration_type(
        &self,
        request: Request<v1::GetIntegrationTypeRequest>,
    ) -> Answer<v1::GetIntegrationTypeResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit_to(Action::ReadMetadata, request).await?;
        answer(
            || asked,
            self.get_integration_type_in(&admitted.workspace, request)
                .await,
        )
    }

    async fn create_connector(
        &self,
        request: Request<v1::CreateConnectorRequest>,
    ) -> Answer<v1::CreateConnectorResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.create_connector_in(&admitted.workspace, request).await,
        )
    }

    async fn get_connector(
        &self,
        request: Request<v1::GetConnectorRequest>,
    ) -> Answer<v1::GetConnectorResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.get_connector_in(&admitted.workspace, request).await,
        )
    }

    async fn list_connectors(
        &self,
        request: Request<v1::ListConnectorsRequest>,
    ) -> Answer<v1::ListConnectorsResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.list_connectors_in(&admitted.workspace, request).await,
        )
    }

    async fn update_connector(
        &self,
        request: Request<v1::UpdateConnectorRequest>,
    ) -> Answer<v1::UpdateConnectorResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.update_connector_in(&admitted.workspace, request).await,
        )
    }

    async fn delete_connector(
        &self,
        request: Request<v1::DeleteConnectorRequest>,
    ) -> Answer<v1::DeleteConnectorResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.delete_connector_in(&admitted.workspace, request).await,
        )
    }

    async fn apply_connectors(
        &self,
        request: Request<v1::ApplyConnectorsRequest>,
    ) -> Answer<v1::ApplyConnectorsResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.apply_connectors_in(&admitted.workspace, request).await,
        )
    }

    async fn start_authorization(
        &self,
        request: Request<v1::StartAuthorizationRequest>,
    ) -> Answer<v1::StartAuthorizationResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.start_authorization_in(&admitted.workspace, request)
                .await,
        )
    }

    async fn batch_start_authorizations(
        &self,
        request: Request<v1::BatchStartAuthorizationsRequest>,
    ) -> Answer<v1::BatchStartAuthorizationsResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.batch_start_authorizations_in(&admitted.workspace, request)
                .await,
        )
    }

    async fn complete_authorization(
        &self,
        request: Request<v1::CompleteAuthorizationRequest>,
    ) -> Answer<v1::CompleteAuthorizationResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.complete_authorization_in(&admitted.workspace, request)
                .await,
        )
    }

    async fn get_authorization(
        &self,
        request: Request<v1::GetAuthorizationRequest>,
    ) -> Answer<v1::GetAuthorizationResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.get_authorization_in(&admitted.workspace, request)
                .await,
        )
    }

    async fn list_connections(
        &self,
        request: Request<v1::ListConnectionsRequest>,
    ) -> Answer<v1::ListConnectionsResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.list_connections_in(&admitted.workspace, request).await,
        )
    }

    async fn describe_connection(
        &self,
        request: Request<v1::DescribeConnectionRequest>,
    ) -> Answer<v1::DescribeConnectionResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.describe_connection_in(&admitted.workspace, request)
                .await,
        )
    }

    async fn update_connection(
        &self,
        request: Request<v1::UpdateConnectionRequest>,
    ) -> Answer<v1::UpdateConnectionResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.update_connection_in(&admitted.workspace, request)
                .await,
        )
    }

    async fn reap_connections(
        &self,
        request: Request<v1::ReapConnectionsRequest>,
    ) -> Answer<v1::ReapConnectionsResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.reap_connections_in(&admitted.workspace, request).await,
        )
    }

    async fn refresh_connection(
        &self,
        request: Request<v1::RefreshConnectionRequest>,
    ) -> Answer<v1::RefreshConnectionResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.refresh_connection_in(&admitted.workspace, request)
                .await,
        )
    }

    async fn revoke_connection(
        &self,
        request: Request<v1::RevokeConnectionRequest>,
    ) -> Answer<v1::RevokeConnectionResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.revoke_connection_in(&admitted.workspace, request)
                .await,
        )
    }

    async fn delete_connection(
        &self,
        request: Request<v1::DeleteConnectionRequest>,
    ) -> Answer<v1::DeleteConnectionResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.delete_connection_in(&admitted.workspace, request)
                .await,
        )
    }

    async fn import_connection(
        &self,
        request: Request<v1::ImportConnectionRequest>,
    ) -> Answer<v1::ImportConnectionResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        let imported = self
            .import_connection_in(&admitted.workspace, request)
            .await;
        imported.map(Response::new).map_err(|failure| {
            let stored = failure.stored.map(|id| ("connectionId", id.to_string()));
            status::about(&failure.error, asked.into_iter().chain(stored).collect())
        })
    }

    async fn set_static_credential(
        &self,
        request: Request<v1::SetStaticCredentialRequest>,
    ) -> Answer<v1::SetStaticCredentialResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.set_static_credential_in(&admitted.workspace, request)
                .await,
        )
    }

    async fn get_statistics(
        &self,
        request: Request<v1::GetStatisticsRequest>,
    ) -> Answer<v1::GetStatisticsResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.get_statistics_in(&admitted.workspace, request).await,
        )
    }

    async fn export_user_data(
        &self,
        request: Request<v1::ExportUserDataRequest>,
    ) -> Answer<v1::ExportUserDataResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.export_user_data_in(&admitted.workspace, request).await,
        )
    }

    async fn erase_user(
        &self,
        request: Request<v1::EraseUserRequest>,
    ) -> Answer<v1::EraseUserResponse> {
        let asked = request.get_ref().asked();
        let (admitted, request) = self.admit(request).await?;
        answer(
            || asked,
            self.erase_user_in(&admitted.workspace, request).await,
        )
    }

    async fn list_audit_events(
        &self,
        request: Request<v1::ListAuditEventsRequest>,
    ) -> Answer<v1::ListAuditEventsResponse> {
        self.admit(request).await?;
        Err(status::unimplemented("ListAuditEvents"))
    }

    async fn explain_access(
        &self,
        request: Request<v1::ExplainAccessRequest>,
    ) -> Answer<v1::ExplainAccessResponse> {
        self.admit(request).await?;
        Err(status::unimplemented("ExplainAccess"))
    }

    async fn rotate_keys(
        &self,
        request: Request<v1::RotateKeysRequest>,
    ) -> Answer<v1::RotateKeysResponse> {
        self.admit(request).await?;
        Err(status::unimplemented("RotateKeys"))
    }
}
