//! Statistics: what there is in a workspace, by status, integration type and category.

use std::collections::BTreeMap;

use tokend_model::{
    ConnectionStatus, IntegrationTypeName, Timestamp, WorkspaceName,
    ports::{ConnectionCount, Counts},
};

use crate::{Error, Vending};

/// What there is in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceStatistics {
    /// All of it.
    pub total: Figures,
    /// By integration type.
    pub integration_types: BTreeMap<IntegrationTypeName, Figures>,
    /// By category; types the catalogue no longer has are in none.
    pub categories: BTreeMap<String, Figures>,
    /// When it was counted.
    pub count_time: Timestamp,
}

/// Figures of some connectors and connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many connectors.
    pub connectors: u64,
    /// How many connections.
    pub connections: u64,
    /// How many app users have one.
    pub app_users: u64,
    /// How often a token was handed out.
    pub uses: i64,
    /// Connections by the name of their status.
    pub statuses: BTreeMap<&'static str, (ConnectionStatus, u64)>,
    /// When a token was last handed out.
    pub last_use_time: Option<Timestamp>,
}

impl Vending {
    /// Counts what is there, or one integration type's, in a fixed number of statements.
    pub async fn statistics(
        &self,
        workspace: &WorkspaceName,
        only: Option<&IntegrationTypeName>,
    ) -> Result<WorkspaceStatistics, Error> {
        let ports = &self.shared.ports;
        let only = only
            .map(|name| self.integration_type(workspace, name))
            .transpose()?
            .map(|known| known.name.clone());
        let categories: BTreeMap<_, _> = ports
            .catalogue
            .list(workspace)
            .iter()
            .map(|known| (known.name.clone(), known.category.clone()))
            .collect();
        let counts = ports
            .statistics
            .count(workspace, only.as_ref(), &categories)
            .await?;
        Ok(sum_up(&counts, &categories, ports.clock.now()))
    }
}

fn sum_up(
    counts: &Counts,
    categories: &BTreeMap<IntegrationTypeName, String>,
    count_time: Timestamp,
) -> WorkspaceStatistics {
    let mut sums = WorkspaceStatistics {
        total: Figures {
            app_users: counts.app_users,
            ..Figures::default()
        },
        integration_types: BTreeMap::new(),
        categories: BTreeMap::new(),
        count_time,
    };
    for (name, &connectors) in &counts.connectors {
        sums.each(name, categories, |figures| figures.connectors += connectors);
    }
    for count in &counts.connections {
        sums.each(&count.integration_type, categories, |figures| {
            figures.add(count);
        });
    }
    for (name, &app_users) in &counts.app_users_by_type {
        let figures = sums.integration_types.entry(name.clone()).or_default();
        figures.app_users = app_users;
    }
    for (category, &app_users) in &counts.app_users_by_category {
        let figures = sums.categories.entry(category.clone()).or_default();
        figures.app_users = app_users;
    }
    sums
}

impl WorkspaceStatistics {
    /// Changes all the figures that an integration type is part of.
    fn each(
        &mut self,
        name: &IntegrationTypeName,
        categories: &BTreeMap<IntegrationTypeName, String>,
        change: impl Fn(&mut Figures),
    ) {
        change(&mut self.total);
        change(self.integration_types.entry(name.clone()).or_default());
        if let Some(category) = categories.get(name) {
            change(self.categories.entry(category.clone()).or_default());
        }
    }
}

impl Figures {
    fn add(&mut self, count: &ConnectionCount) {
        self.connections += count.connections;
        self.uses = self.uses.saturating_add(count.uses);
        self.last_use_time = self.last_use_time.max(count.last_use_time);
        let status = self
            .statuses
            .entry(count.status.as_str())
            .or_insert((count.status, 0));
        status.1 += count.connections;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> IntegrationTypeName {
        IntegrationTypeName::new(text).expect("a name")
    }

    fn count(integration_type: &str, status: ConnectionStatus, number: u64) -> ConnectionCount {
        ConnectionCount {
            integration_type: name(integration_type),
            status,
            connections: number,
            uses: 10,
            last_use_time: Timestamp::from_timestamp(i64::try_from(number).unwrap_or(0), 0),
        }
    }

    #[test]
    fn figures_add_up() {
        let counts = Counts {
            connectors: [(name("box"), 2), (name("gone"), 1)].into(),
            connections: vec![
                count("box", ConnectionStatus::Authorized, 3),
                count("box", ConnectionStatus::Revoked, 1),
                count("gone", ConnectionStatus::Authorized, 4),
            ],
            app_users: 5,
            app_users_by_type: [(name("box"), 4), (name("gone"), 2)].into(),
            app_users_by_category: [("files".to_owned(), 4)].into(),
        };
        let categories = [(name("box"), "files".to_owned())].into();
        let sums = sum_up(&counts, &categories, Timestamp::UNIX_EPOCH);
        let figures = |figures: &Figures| {
            let of = |status: &str| figures.statuses.get(status).map(|one| one.1);
            let by_status = (of("AUTHORIZED"), of("REVOKED"), of("ERROR"));
            let counted = (figures.connectors, figures.connections, figures.app_users);
            (counted, figures.uses, by_status)
        };
        let all = ((3, 8, 5), 30, (Some(7), Some(1), None));
        assert_eq!(figures(&sums.total), all);
        let box_ = ((2, 4, 4), 20, (Some(3), Some(1), None));
        assert_eq!(figures(&sums.integration_types[&name("box")]), box_);
        assert_eq!(figures(&sums.categories["files"]), box_);
        assert_eq!(
            sums.categories.len(),
            1,
            "what is in no category is in none"
        );
        assert_eq!(sums.total.last_use_time, Timestamp::from_timestamp(4, 0));
    }
}
