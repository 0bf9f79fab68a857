//! What a request names: every error repeats it as `ErrorInfo` metadata, so that a caller with many calls under way
//! knows which one it belongs to.

use tokend_api::v1;

/// Pairs of a metadata key and the value the request gave.
pub(super) type Named = Vec<(&'static str, String)>;

/// A request that can say what it names.
pub(super) trait Asked {
    /// What it names; nothing that is empty.
    fn asked(&self) -> Named;
}

macro_rules! asked {
    ($($request:ident { $($field:ident: $key:literal),* })*) => {
        $(impl Asked for v1::$request {
            fn asked(&self) -> Named {
                let named: Named = vec![$(($key, self.$field.to_string())),*];
                named.into_iter().filter(|(_, value)| !value.is_empty()).collect()
            }
        })*
    };
}

asked! {
    GetConnectionRequest { integration_type: "integrationType" }
    GetCurrentAppUserConnectionRequest { connector_id: "connectorId" }
    GetAccessTokenRequest { integration_type: "integrationType" }
    ConnectAppUserRequest { connector_id: "connectorId" }
    CompleteAppUserConnectionRequest { authorization_id: "authorizationId" }
    DisconnectAppUserRequest { connector_id: "connectorId" }
    ListAppUserConnectionsRequest {}
    ListIntegrationTypesRequest {}
    GetIntegrationTypeRequest { integration_type: "integrationType" }
    GetConnectorRequest { connector_id: "connectorId" }
    ListConnectorsRequest {}
    DeleteConnectorRequest { connector_id: "connectorId" }
    ApplyConnectorsRequest {}
    StartAuthorizationRequest { integration_type: "integrationType", connector_id: "connectorId" }
    BatchStartAuthorizationsRequest {}
    CompleteAuthorizationRequest { authorization_id: "authorizationId" }
    GetAuthorizationRequest { authorization_id: "authorizationId" }
    ListConnectionsRequest {}
    DescribeConnectionRequest { connection_id: "connectionId" }
    RefreshConnectionRequest { connection_id: "connectionId" }
    RevokeConnectionRequest { connection_id: "connectionId" }
    DeleteConnectionRequest { connection_id: "connectionId" }
    UpdateConnectionRequest { connection_id: "connectionId" }
    ReapConnectionsRequest {}
    GetStatisticsRequest { integration_type: "integrationType" }
    ExportUserDataRequest { app_user_id: "appUserId" }
    EraseUserRequest { app_user_id: "appUserId" }
    ImportConnectionRequest { connector_id: "connectorId" }
    SetStaticCredentialRequest { connector_id: "connectorId" }
    ListAuditEventsRequest {}
    ExplainAccessRequest { caller: "explainedCaller", integration_type: "integrationType", connector_id: "connectorId", app_user_id: "appUserId" }
    RotateKeysRequest {}
    SuspendRequest {}
    ResumeRequest {}
    ListSuspensionsRequest {}
    StartBulkRevocationRequest { integration_type: "integrationType", connector_id: "connectorId" }
    GetBulkRevocationRequest { bulk_revocation_id: "bulkRevocationId" }
    ListBulkRevocationsRequest {}
    CancelBulkRevocationRequest { bulk_revocation_id: "bulkRevocationId" }
}

impl Asked for v1::UpdateConnectorRequest {
    fn asked(&self) -> Named {
        let id = self.connector.iter().map(|it| &it.connector_id);
        id.filter(|id| !id.is_empty())
            .map(|id| ("connectorId", id.clone()))
            .collect()
    }
}

impl Asked for v1::CreateConnectorRequest {
    fn asked(&self) -> Named {
        let name = self.connector.iter().map(|it| &it.integration_type);
        name.filter(|name| !name.is_empty())
            .map(|name| ("integrationType", name.clone()))
            .collect()
    }
}
