//! `AdminService`: what operators, the command line and control planes call. Each RPC admits, then goes to its room.

use std::{future::Future, sync::Arc};

use tokend_access::Action;
use tokend_api::v1::{self, admin_service_server::AdminService};
use tokend_model::{AuditAction, ports::Clock};
use tokend_vending::Vending;
use tonic::{Request, Response, Status};

use super::{
    asked::{Asked, Names},
    connector_service::answer,
    suspensions::{change, named},
};
use crate::{
    admission::{Admission, Admitted, Ask},
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
    ) -> Result<(Admitted, Names, T), Status> {
        let names = request.get_ref().names();
        let value_of = |key| {
            let pair = names.told.iter().find(|(name, _)| *name == key);
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
            Ok(admitted) => Ok((admitted, names, request.into_inner())),
            Err(failure) => Err(status::about(&failure, names.told)),
        }
    }

    /// Carries an act and its record to their end, whoever waits for them.
    async fn to_the_end<T: Send + 'static>(
        &self,
        act: impl Future<Output = Answer<T>> + Send + 'static,
    ) -> Answer<T> {
        let broken_off = |failure| status::of(&failure);
        self.admission.acts.carry_out(act, broken_off).await
    }
}

/// The RPCs of the service. Most are admitted to an action, go on record under a name, and to their room; the others answer
/// for themselves. What is read is read while its caller waits; what is done is done whether or not it does.
macro_rules! rpcs {
    (
        read {
            $($read:ident($read_request:ident) -> $read_response:ident: $read_action:ident, $read_audited:ident => $read_room:ident;)*
        }
        done {
            $($done:ident($request:ident) -> $response:ident: $action:ident, $audited:ident => $room:ident;)*
        }
        by_themselves {
            $($own:ident($own_request:ident) -> $own_response:ident => $own_room:ident;)*
        }
    ) => {
        #[tonic::async_trait]
        impl AdminService for Admin {
            $(async fn $read(
                &self,
                request: Request<v1::$read_request>,
            ) -> Answer<v1::$read_response> {
                let (admitted, names, request) = self
                    .admit(Action::$read_action, AuditAction::$read_audited, request)
                    .await?;
                let result = self.$read_room(admitted.workspace(), request).await;
                self.admission.acted(names, &admitted, result).await
            })*

            $(async fn $done(&self, request: Request<v1::$request>) -> Answer<v1::$response> {
                let (admitted, names, request) = self
                    .admit(Action::$action, AuditAction::$audited, request)
                    .await?;
                let admin = self.clone();
                self.to_the_end(async move {
                    let result = admin.$room(admitted.workspace(), request).await;
                    admin.admission.acted(names, &admitted, result).await
                })
                .await
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
    read {
        list_integration_types(ListIntegrationTypesRequest) -> ListIntegrationTypesResponse: ReadMetadata, MetadataRead => list_integration_types_in;
        get_integration_type(GetIntegrationTypeRequest) -> GetIntegrationTypeResponse: ReadMetadata, MetadataRead => get_integration_type_in;
        get_connector(GetConnectorRequest) -> GetConnectorResponse: ReadConfiguration, MetadataRead => get_connector_in;
        list_connectors(ListConnectorsRequest) -> ListConnectorsResponse: ReadConfiguration, MetadataRead => list_connectors_in;
        get_authorization(GetAuthorizationRequest) -> GetAuthorizationResponse: ReadConfiguration, MetadataRead => get_authorization_in;
        list_connections(ListConnectionsRequest) -> ListConnectionsResponse: ReadConfiguration, MetadataRead => list_connections_in;
        describe_connection(DescribeConnectionRequest) -> DescribeConnectionResponse: ReadConfiguration, MetadataRead => describe_connection_in;
        get_statistics(GetStatisticsRequest) -> GetStatisticsResponse: ReadConfiguration, MetadataRead => get_statistics_in;
        export_user_data(ExportUserDataRequest) -> ExportUserDataResponse: ManageUsers, UserDataExport => export_user_data_in;
        list_audit_events(ListAuditEventsRequest) -> ListAuditEventsResponse: ReadAudit, AuditRead => list_audit_events_in;
        get_bulk_revocation(GetBulkRevocationRequest) -> GetBulkRevocationResponse: ReadConfiguration, MetadataRead => get_bulk_revocation_in;
    }
    done {
        create_connector(CreateConnectorRequest) -> CreateConnectorResponse: ManageConnectors, ConnectorCreate => create_connector_in;
        update_connector(UpdateConnectorRequest) -> UpdateConnectorResponse: ManageConnectors, ConnectorUpdate => update_connector_in;
        delete_connector(DeleteConnectorRequest) -> DeleteConnectorResponse: ManageConnectors, ConnectorDelete => delete_connector_in;
        start_authorization(StartAuthorizationRequest) -> StartAuthorizationResponse: ManageAuthorizations, AuthorizationStart => start_authorization_in;
        complete_authorization(CompleteAuthorizationRequest) -> CompleteAuthorizationResponse: ManageAuthorizations, AuthorizationComplete => complete_authorization_in;
        update_connection(UpdateConnectionRequest) -> UpdateConnectionResponse: ManageConnections, ConnectionUpdate => update_connection_in;
        reap_connections(ReapConnectionsRequest) -> ReapConnectionsResponse: ManageConnections, ConnectionUpdate => reap_connections_in;
        refresh_connection(RefreshConnectionRequest) -> RefreshConnectionResponse: ManageConnections, Refresh => refresh_connection_in;
        revoke_connection(RevokeConnectionRequest) -> RevokeConnectionResponse: ManageConnections, ConnectionRevoke => revoke_connection_in;
        delete_connection(DeleteConnectionRequest) -> DeleteConnectionResponse: ManageConnections, ConnectionDelete => delete_connection_in;
        set_static_credential(SetStaticCredentialRequest) -> SetStaticCredentialResponse: ManageAuthorizations, StaticCredentialSet => set_static_credential_in;
        erase_user(EraseUserRequest) -> EraseUserResponse: ManageUsers, UserErase => erase_user_in;
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
        let (admitted, names, request) = self
            .admit(
                Action::ManageConnectors,
                AuditAction::ConnectorUpdate,
                request,
            )
            .await?;
        let admin = self.clone();
        self.to_the_end(async move {
            let result = admin.apply_connectors_in(&admitted, request).await;
            admin.admission.acted(names, &admitted, result).await
        })
        .await
    }

    /// Its items are on record one by one.
    async fn answer_batch_start_authorizations(
        &self,
        request: Request<v1::BatchStartAuthorizationsRequest>,
    ) -> Answer<v1::BatchStartAuthorizationsResponse> {
        let (admitted, names, request) = self
            .admit(
                Action::ManageAuthorizations,
                AuditAction::AuthorizationStart,
                request,
            )
            .await?;
        let admin = self.clone();
        self.to_the_end(async move {
            match admin
                .batch_start_authorizations_in(&admitted, request)
                .await
            {
                Ok(started) => Ok(Response::new(started)),
                result => admin.admission.acted(names, &admitted, result).await,
            }
        })
        .await
    }

    async fn answer_import_connection(
        &self,
        request: Request<v1::ImportConnectionRequest>,
    ) -> Answer<v1::ImportConnectionResponse> {
        let (admitted, mut names, request) = self
            .admit(
                Action::ManageAuthorizations,
                AuditAction::ConnectionImport,
                request,
            )
            .await?;
        let admin = self.clone();
        self.to_the_end(async move {
            let imported = admin
                .import_connection_in(admitted.workspace(), request)
                .await;
            let result = imported.map_err(|failure| {
                let stored = failure.stored.map(|id| ("connectionId", id.to_string()));
                names.told.extend(stored);
                failure.error
            });
            admin.admission.acted(names, &admitted, result).await
        })
        .await
    }

    async fn answer_explain_access(
        &self,
        request: Request<v1::ExplainAccessRequest>,
    ) -> Answer<v1::ExplainAccessResponse> {
        let names = request.get_ref().names();
        match self.admit_explanation(&request).await {
            Ok(admitted) => {
                let request = request.into_inner();
                let result = self.explain_access_to(&admitted.call, request).await;
                self.admission.acted(names, &admitted, result).await
            }
            Err(failure) => answer(|| names.told, Err(failure)),
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
        let (admitted, mut names, request) = self
            .admit(Action::Suspend, AuditAction::Suspension, request)
            .await?;
        names.told.extend(named(request.kind(), &request.subject));
        let what = change("suspend", &request.comment);
        names.recorded.extend(what);
        let admin = self.clone();
        self.to_the_end(async move {
            let result = admin.suspend_in(&admitted, request).await;
            admin.admission.acted(names, &admitted, result).await
        })
        .await
    }

    async fn answer_resume(
        &self,
        request: Request<v1::ResumeRequest>,
    ) -> Answer<v1::ResumeResponse> {
        let (admitted, mut names, request) = self
            .admit(Action::Suspend, AuditAction::Suspension, request)
            .await?;
        names.told.extend(named(request.kind(), &request.subject));
        names.recorded.extend(change("resume", ""));
        let admin = self.clone();
        self.to_the_end(async move {
            let result = admin.resume_in(admitted.workspace(), request).await;
            admin.admission.acted(names, &admitted, result).await
        })
        .await
    }

    async fn answer_list_suspensions(
        &self,
        request: Request<v1::ListSuspensionsRequest>,
    ) -> Answer<v1::ListSuspensionsResponse> {
        let (admitted, names, _) = self
            .admit(
                Action::ReadConfiguration,
                AuditAction::MetadataRead,
                request,
            )
            .await?;
        let result = self.list_suspensions_in(admitted.workspace()).await;
        self.admission.acted(names, &admitted, result).await
    }

    async fn answer_start_bulk_revocation(
        &self,
        request: Request<v1::StartBulkRevocationRequest>,
    ) -> Answer<v1::StartBulkRevocationResponse> {
        let (admitted, names, request) = self
            .admit(Action::Suspend, AuditAction::BulkRevocation, request)
            .await?;
        let admin = self.clone();
        self.to_the_end(async move {
            let result = admin.start_bulk_revocation_in(&admitted, request).await;
            admin.admission.acted(names, &admitted, result).await
        })
        .await
    }

    async fn answer_list_bulk_revocations(
        &self,
        request: Request<v1::ListBulkRevocationsRequest>,
    ) -> Answer<v1::ListBulkRevocationsResponse> {
        let (admitted, names, _) = self
            .admit(
                Action::ReadConfiguration,
                AuditAction::MetadataRead,
                request,
            )
            .await?;
        let result = self.list_bulk_revocations_in(admitted.workspace()).await;
        self.admission.acted(names, &admitted, result).await
    }
}
