//! Connections' tags, and clearing away what has been over for long.

use tokend_api::v1;
use tokend_model::WorkspaceName;
use tokend_vending::Error;

use super::{admin::Admin, to_proto};

impl Admin {
    pub(super) async fn update_connection_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::UpdateConnectionRequest,
    ) -> Result<v1::UpdateConnectionResponse, Error> {
        let present = self
            .checked(workspace, &request.connection_id, &request.etag)
            .await?;
        let tags = request.tags.into_iter().collect();
        let connection = self.vending.set_tags(workspace, &present.id, &tags).await?;
        let connection = Some(self.shown_connection(&connection).await?);
        Ok(v1::UpdateConnectionResponse { connection })
    }

    pub(super) async fn reap_connections_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::ReapConnectionsRequest,
    ) -> Result<v1::ReapConnectionsResponse, Error> {
        let dead_for_days = match request.dead_for_days {
            0 => None,
            days => Some(u32::try_from(days).unwrap_or_default()),
        };
        let reaped = self
            .vending
            .reap(workspace, dead_for_days, request.dry_run)
            .await?;
        Ok(v1::ReapConnectionsResponse {
            connections: reaped
                .connections
                .iter()
                .map(|connection| to_proto::connection(connection, &[]))
                .collect(),
            authorization_count: to_proto::bounded(reaped.authorizations),
            removed: !request.dry_run,
        })
    }
}
