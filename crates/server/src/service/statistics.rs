//! Statistics of a workspace.

use tokend_api::v1;
use tokend_model::WorkspaceName;
use tokend_vending::{Error, Figures};

use super::{admin::Admin, from_proto, to_proto};

impl Admin {
    pub(super) async fn get_statistics_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::GetStatisticsRequest,
    ) -> Result<v1::GetStatisticsResponse, Error> {
        let only = match request.integration_type.as_str() {
            "" => None,
            name => Some(from_proto::integration_type(name)?),
        };
        let counted = self.vending.statistics(workspace, only.as_ref()).await?;
        Ok(v1::GetStatisticsResponse {
            connector_count: to_proto::bounded(counted.total.connectors),
            connection_count: to_proto::bounded(counted.total.connections),
            app_user_count: to_proto::bounded(counted.total.app_users),
            use_count: counted.total.uses,
            statuses: statuses(&counted.total),
            integration_types: counted
                .integration_types
                .iter()
                .map(|(name, figures)| v1::IntegrationTypeStatistics {
                    integration_type: name.to_string(),
                    connector_count: to_proto::bounded(figures.connectors),
                    connection_count: to_proto::bounded(figures.connections),
                    app_user_count: to_proto::bounded(figures.app_users),
                    use_count: figures.uses,
                    statuses: statuses(figures),
                    last_use_time: figures.last_use_time.map(to_proto::timestamp),
                })
                .collect(),
            count_time: Some(to_proto::timestamp(counted.count_time)),
            categories: counted
                .categories
                .iter()
                .map(|(category, figures)| v1::CategoryStatistics {
                    category: category.clone(),
                    connector_count: to_proto::bounded(figures.connectors),
                    connection_count: to_proto::bounded(figures.connections),
                    app_user_count: to_proto::bounded(figures.app_users),
                    use_count: figures.uses,
                })
                .collect(),
        })
    }
}

fn statuses(figures: &Figures) -> Vec<v1::StatusCount> {
    figures
        .statuses
        .values()
        .map(|&(status, connections)| v1::StatusCount {
            status: to_proto::status(status).into(),
            connection_count: to_proto::bounded(connections),
        })
        .collect()
}
