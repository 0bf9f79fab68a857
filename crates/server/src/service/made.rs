//! What a call has made, or was about, as far as only its answer tells: the audit trail names it.

use tokend_api::v1;

use super::asked::Named;

/// An answer that can say what it is about.
pub(super) trait Made {
    /// The ids of what was made or changed; nothing that is empty.
    fn made(&self) -> Named {
        Named::new()
    }
}

macro_rules! nothing_made {
    ($($answer:ident)*) => { $(impl Made for v1::$answer {})* };
}

macro_rules! made {
    ($($answer:ident $(.$message:ident)? { $($field:ident: $key:literal),* })*) => {
        $(impl Made for v1::$answer {
            fn made(&self) -> Named {
                let Some(made) = Some(self)$(.and_then(|answer| answer.$message.as_ref()))? else {
                    return Named::new();
                };
                let named: Named = vec![$(($key, made.$field.to_string())),*];
                named.into_iter().filter(|(_, value)| !value.is_empty()).collect()
            }
        })*
    };
}

made! {
    CreateConnectorResponse.connector { connector_id: "connectorId", integration_type: "integrationType" }
    UpdateConnectorResponse.connector { connector_id: "connectorId", integration_type: "integrationType" }
    StartAuthorizationResponse { authorization_id: "authorizationId" }
    ConnectAppUserResponse { authorization_id: "authorizationId" }
    CompleteAuthorizationResponse.connection { connection_id: "connectionId", connector_id: "connectorId" }
    CompleteAppUserConnectionResponse.connection { connection_id: "connectionId", connector_id: "connectorId" }
    ImportConnectionResponse.connection { connection_id: "connectionId" }
    SetStaticCredentialResponse.connection { connection_id: "connectionId" }
    RefreshConnectionResponse.connection { connector_id: "connectorId" }
    RevokeConnectionResponse.connection { connector_id: "connectorId" }
    StartBulkRevocationResponse.bulk_revocation { bulk_revocation_id: "bulkRevocationId" }
}

nothing_made! {
    ListIntegrationTypesResponse
    GetIntegrationTypeResponse
    GetConnectorResponse
    ListConnectorsResponse
    DeleteConnectorResponse
    ApplyConnectorsResponse
    BatchStartAuthorizationsResponse
    GetAuthorizationResponse
    ListConnectionsResponse
    DescribeConnectionResponse
    UpdateConnectionResponse
    ReapConnectionsResponse
    DeleteConnectionResponse
    GetStatisticsResponse
    ExportUserDataResponse
    EraseUserResponse
    ListAuditEventsResponse
    ExplainAccessResponse
    RotateKeysResponse
    SuspendResponse
    ResumeResponse
    ListSuspensionsResponse
    GetBulkRevocationResponse
    ListBulkRevocationsResponse
    CancelBulkRevocationResponse
    DisconnectAppUserResponse
    ListAppUserConnectionsResponse
}
