//! What a request names: every error repeats it as `ErrorInfo` metadata, so that a caller with many calls under way
//! knows which one it belongs to. The audit trail has that, and what else a request is about.

use tokend_api::v1;

/// Pairs of a metadata key and the value the request gave.
pub(super) type Named = Vec<(&'static str, String)>;

/// A request that can say what it names.
pub(super) trait Asked {
    /// What it names; nothing that is empty.
    fn asked(&self) -> Named;

    /// What it is about besides: for the record alone.
    fn recorded(&self) -> Named {
        Named::new()
    }

    /// Both.
    fn names(&self) -> Names {
        Names {
            told: self.asked(),
            recorded: self.recorded(),
        }
    }
}

/// What a request names.
pub(super) struct Names {
    /// What its error repeats, and the record has.
    pub(super) told: Named,
    /// What the record has besides.
    pub(super) recorded: Named,
}

// After a `+` comes what is for the record alone.
macro_rules! asked {
    ($($request:ident { $($field:ident: $key:literal),* } $(+ { $($more:ident: $its_key:literal),* })?)*) => {
        $(impl Asked for v1::$request {
            fn asked(&self) -> Named {
                given(vec![$(($key, self.$field.to_string())),*])
            }

            $(fn recorded(&self) -> Named {
                given(vec![$(($its_key, self.$more.to_string())),*])
            })?
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
    ApplyConnectorsRequest {} + { dry_run: "dryRun" }
    StartAuthorizationRequest { integration_type: "integrationType", connector_id: "connectorId" } + { app_user_id: "appUserId" }
    BatchStartAuthorizationsRequest {}
    CompleteAuthorizationRequest { authorization_id: "authorizationId" }
    GetAuthorizationRequest { authorization_id: "authorizationId" }
    ListConnectionsRequest {}
    DescribeConnectionRequest { connection_id: "connectionId" }
    RefreshConnectionRequest { connection_id: "connectionId" }
    RevokeConnectionRequest { connection_id: "connectionId" }
    DeleteConnectionRequest { connection_id: "connectionId" }
    UpdateConnectionRequest { connection_id: "connectionId" }
    ReapConnectionsRequest {} + { dry_run: "dryRun" }
    GetStatisticsRequest { integration_type: "integrationType" }
    ExportUserDataRequest { app_user_id: "appUserId" }
    EraseUserRequest { app_user_id: "appUserId" } + { dry_run: "dryRun" }
    ImportConnectionRequest { connector_id: "connectorId" } + { app_user_id: "appUserId" }
    SetStaticCredentialRequest { connector_id: "connectorId" } + { app_user_id: "appUserId" }
    ListAuditEventsRequest {}
    ExplainAccessRequest { caller: "explainedCaller", integration_type: "integrationType", connector_id: "connectorId", app_user_id: "appUserId" }
    RotateKeysRequest {}
    SuspendRequest {}
    ResumeRequest {}
    ListSuspensionsRequest {}
    StartBulkRevocationRequest { integration_type: "integrationType", connector_id: "connectorId" } + { comment: "comment" }
    GetBulkRevocationRequest { bulk_revocation_id: "bulkRevocationId" }
    ListBulkRevocationsRequest {}
    CancelBulkRevocationRequest { bulk_revocation_id: "bulkRevocationId" }
}

impl Asked for v1::UpdateConnectorRequest {
    fn asked(&self) -> Named {
        let id = self.connector.iter().map(|it| it.connector_id.clone());
        given(id.map(|id| ("connectorId", id)).collect())
    }
}

impl Asked for v1::CreateConnectorRequest {
    fn asked(&self) -> Named {
        let named = self.connector.iter().flat_map(|connector| {
            [
                ("integrationType", connector.integration_type.clone()),
                ("connectorId", connector.connector_id.clone()),
            ]
        });
        given(named.collect())
    }
}

fn given(mut named: Named) -> Named {
    named.retain(|(_, value)| !value.is_empty());
    named
}
