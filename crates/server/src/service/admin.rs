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

/// The RPCs of the service. Most are admitted to an action, go on record under a name, and to their room; the others answer
/// for themselves.
macro_rules! rpcs {
    (
        admitted {
            $($method:ident($request:ident) -> $response:ident: $action:ident, $audited:ident => $room:ident;)*
        }
        by_themselves {
            $($own:ident($own_request:ident) -> $own_response:ident => $own_room:ident;)*
        }
    ) => {
        #[tonic::async_trait]
        impl AdminService for Admin {
            $(async fn $method(&self, request: Request<v1::$request>) -> Answer<v1::$response> {
                let (admitted, asked, request) = self
                    .admit(Action::$action, AuditAction::$audited, request)
                    .await?;
                let result = self.$room(admitted.workspace(), request).await;
                self.acted(asked, &admitted, result).await
            })*

            $(async fn $own(
                &self,
                request: Request<v1::$own_request>,
            ) -> Answer<v1::$own_response> {
                self.$own_room(request).await
            })*
        }
    };
}

rpcs! {
    admitted {
        list_integration_types(ListIntegrationTypesRequest) -> ListIntegrationTypesResponse: ReadMetadata, MetadataRead => list_integration_types_in;
        get_integration_type(GetIntegrationTypeRequest) -> GetIntegrationTypeResponse: ReadMetadata, MetadataRead => get_integration_type_in;
        create_connector(CreateConnectorRequest) -> CreateConnectorResponse: ManageConnectors, ConnectorCreate => create_connector_in;
        get_connector(GetConnectorRequest) -> GetConnectorResponse: ReadConfiguration, MetadataRead => get_connector_in;
        list_connectors(ListConnectorsRequest) -> ListConnectorsResponse: ReadConfiguration, MetadataRead => list_connectors_in;
        update_connector(UpdateConnectorRequest) -> UpdateConnectorResponse: ManageConnectors, ConnectorUpdate => update_connector_in;
        delete_connector(DeleteConnectorRequest) -> DeleteConnectorResponse: ManageConnectors, ConnectorDelete => delete_connector_in;
        start_authorization(StartAuthorizationRequest) -> StartAuthorizationResponse: ManageAuthorizations, AuthorizationStart => start_authorization_in;
        complete_authorization(CompleteAuthorizationRequest) -> CompleteAuthorizationResponse: ManageAuthorizations, AuthorizationComplete => complete_authorization_in;
        get_authorization(GetAuthorizationRequest) -> GetAuthorizationResponse: ReadConfiguration, MetadataRead => get_authorization_in;
        list_connections(ListConnectionsRequest) -> ListConnectionsResponse: ReadConfiguration, MetadataRead => list_connections_in;
        describe_connection(DescribeConnectionRequest) -> DescribeConnectionResponse: ReadConfiguration, MetadataRead => describe_connection_in;
        update_connection(UpdateConnectionRequest) -> UpdateConnectionResponse: ManageConnections, ConnectionUpdate => update_connection_in;
        reap_connections(ReapConnectionsRequest) -> ReapConnectionsResponse: ManageConnections, ConnectionUpdate => reap_connections_in;
        refresh_connection(RefreshConnectionRequest) -> RefreshConnectionResponse: ManageConnections, Refresh => refresh_connection_in;
        revoke_connection(RevokeConnectionRequest) -> RevokeConnectionResponse: ManageConnections, ConnectionRevoke => revoke_connection_in;
        delete_connection(DeleteConnectionRequest) -> DeleteConnectionResponse: ManageConnections, ConnectionDelete => delete_connection_in;
        set_static_credential(SetStaticCredentialRequest) -> SetStaticCredentialResponse: ManageAuthorizations, StaticCredentialSet => set_static_credential_in;
        get_statistics(GetStatisticsRequest) -> GetStatisticsResponse: ReadConfiguration, MetadataRead => get_statistics_in;
        export_user_data(ExportUserDataRequest) -> ExportUserDataResponse: ManageUsers, UserDataExport => export_user_data_in;
        erase_user(EraseUserRequest) -> EraseUserResponse: ManageUsers, UserErase => erase_user_in;
        list_audit_events(ListAuditEventsRequest) -> ListAuditEventsResponse: ReadAudit, AuditRead => list_audit_events_in;
        get_bulk_revocation(GetBulkRevocationRequest) -> GetBulkRevocationResponse: ReadConfiguration, MetadataRead => get_bulk_revocation_in;
        cancel_bulk_revocation(CancelBulkRevocationRequest) -> CancelBulkRevocationResponse: Suspend, BulkRevocation => cancel_bulk_revocation_in;
    }
    by_themselves {
        apply_connectors(ApplyConnectorsRequest) -> ApplyConnectorsResponse => answer_apply_connectors;
        batch_start_authorizations(BatchStartAuthorizationsRequest) -> BatchStartAuthorizationsResponse => answer_batch_start_authorizations;
        import_connection(ImportConnectionRequest) -> ImportConnectionResponse => answer_import_connection;
        explain_access(ExplainAccessRequest) -> ExplainAccessResponse => answer_explain_access;
        rotate_keys(RotateKeysRequest) -> RotateKeysResponse => answer_rotate_keys;
        suspend(SuspendRequest) -> SuspendResponse => answer_suspend;
        resume(ResumeRequest) -> ResumeResponse => answer_resume;
        list_suspensions(ListSuspensionsRequest) -> ListSuspensionsResponse => answer_list_suspensions;
        start_bulk_revocation(StartBulkRevocationRequest) -> StartBulkRevocationResponse => answer_start_bulk_revocation;
        list_bulk_revocations(ListBulkRevocationsRequest) -> ListBulkRevocationsResponse => answer_list_bulk_revocations;
    }
}

impl Admin {
    async fn answer_apply_connectors(
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

    async fn answer_batch_start_authorizations(
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

    async fn answer_import_connection(
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

    async fn answer_explain_access(
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

    async fn answer_rotate_keys(
        &self,
        request: Request<v1::RotateKeysRequest>,
    ) -> Answer<v1::RotateKeysResponse> {
        self.admit(Action::RotateKeys, AuditAction::KeysRotate, request)
            .await?;
        Err(status::unimplemented("RotateKeys"))
    }

    async fn answer_suspend(
        &self,
        request: Request<v1::SuspendRequest>,
    ) -> Answer<v1::SuspendResponse> {
        let (admitted, mut asked, request) = self
            .admit(Action::Suspend, AuditAction::Suspension, request)
            .await?;
        asked.extend(named(request.kind(), &request.subject));
        let result = self.suspend_in(&admitted, request).await;
        self.acted(asked, &admitted, result).await
    }

    async fn answer_resume(
        &self,
        request: Request<v1::ResumeRequest>,
    ) -> Answer<v1::ResumeResponse> {
        let (admitted, mut asked, request) = self
            .admit(Action::Suspend, AuditAction::Suspension, request)
            .await?;
        asked.extend(named(request.kind(), &request.subject));
        let result = self.resume_in(admitted.workspace(), request).await;
        self.acted(asked, &admitted, result).await
    }

    async fn answer_list_suspensions(
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

    async fn answer_start_bulk_revocation(
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

    async fn answer_list_bulk_revocations(
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
}
