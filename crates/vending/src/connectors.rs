//! The upkeep of connectors: reading them, and changing a set of them, all or nothing.

use std::sync::Arc;

use tokend_model::{
    ConnectionFilter, Connector, ConnectorChange, ConnectorId, IntegrationType,
    IntegrationTypeName, WorkspaceName,
    ports::{Catalogue, Page, StorageError},
};

use crate::{Error, PlannedAction, PlannedChange, Vending, vend::no_connector};

/// Whether a connector is switched on.
pub(crate) fn enabled(connector: &Connector) -> Result<(), Error> {
    match connector.disabled {
        false => Ok(()),
        true => Err(Error::ConnectorDisabled {
            connector_id: connector.id.to_string(),
        }),
    }
}

const ALL: Page = Page {
    after: None,
    limit: 1000,
};

impl Vending {
    /// Carries out a plan, with the definitions it was made with, in one transaction. If a connector changed since it
    /// was planned, or one to be deleted has connections, nothing is done.
    pub async fn apply_connectors(
        &self,
        workspace: &WorkspaceName,
        definitions: &[(IntegrationTypeName, String)],
        plan: &[PlannedChange],
    ) -> Result<(), Error> {
        let ports = &self.shared.ports;
        let of = |action| plan.iter().filter(move |change| change.action == action);
        let ids = |action| {
            let ids: Vec<_> = of(action)
                .map(|change| change.connector.id.as_str())
                .collect();
            ids.join(", ")
        };
        let changes: Vec<_> = plan
            .iter()
            .filter_map(|change| match change.action {
                PlannedAction::Create => Some(ConnectorChange::Create(change.connector.clone())),
                PlannedAction::Update => Some(ConnectorChange::Update(change.connector.clone())),
                PlannedAction::Delete => Some(ConnectorChange::Delete(change.connector.id.clone())),
                PlannedAction::Unchanged => None,
            })
            .collect();
        let applied = ports
            .connectors
            .apply(workspace, &changes, definitions, ports.clock.now());
        match applied.await {
            Ok(()) => {}
            Err(StorageError::Exists) => {
                return Err(Error::ConnectorExists {
                    connector_id: ids(PlannedAction::Create),
                });
            }
            Err(StorageError::InUse { connections }) => {
                let deleted = of(PlannedAction::Delete).map(|change| &change.connector);
                return Err(Error::ConnectorInUse {
                    connector_id: self.used(deleted).await?.join(", "),
                    connections: u32::try_from(connections).unwrap_or(u32::MAX),
                });
            }
            Err(other) => return Err(other.into()),
        }
        for (name, definition) in definitions {
            ports.catalogue.define(workspace, name, definition)?;
        }
        for change in plan {
            let id = &change.connector.id;
            self.shared.cache.forget_connector(workspace, id);
            self.shared.refusals.forget(workspace, id);
        }
        Ok(())
    }

    /// Deletes a connector; with `force` its connections first, revoking each at the provider. Answers how many.
    pub async fn delete_connector(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectorId,
        force: bool,
    ) -> Result<u32, Error> {
        let connector = self.get_connector(workspace, id).await?;
        let deleted = match force {
            true => self.delete_connections(&connector).await?,
            false => 0,
        };
        let change = PlannedChange {
            action: PlannedAction::Delete,
            connector,
            changed_fields: Vec::new(),
            connections_needing_consent: 0,
            needs_authorization: false,
        };
        self.apply_connectors(workspace, &[], &[change]).await?;
        Ok(deleted)
    }

    /// One connector.
    pub async fn get_connector(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectorId,
    ) -> Result<Connector, Error> {
        let found = self.shared.ports.connectors.get(workspace, id).await?;
        found.ok_or_else(|| no_connector(id))
    }

    /// Connectors by id.
    pub async fn list_connectors(
        &self,
        workspace: &WorkspaceName,
        page: &Page,
    ) -> Result<Vec<Connector>, Error> {
        Ok(self.shared.ports.connectors.list(workspace, page).await?)
    }

    /// Takes the stored definitions of all workspaces into the catalogue, at start and again and again: another
    /// replica may have taken new ones. A definition that no longer reads is left out and logged: it must not keep the others from being served.
    pub async fn load_integration_types(&self) -> Result<(), Error> {
        let ports = &self.shared.ports;
        for (workspace, name, definition) in ports.integration_overrides.list().await? {
            if let Err(error) = ports.catalogue.define(&workspace, &name, &definition)
                && self.shared.unreadable.insert(definition)
            {
                tracing::error!(%workspace, %name, %error, "a stored integration type cannot be read");
            }
        }
        Ok(())
    }

    /// The definition (TOML) of an integration type of one's own, as it was applied; None for one that is built in.
    pub async fn integration_type_definition(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
    ) -> Result<Option<String>, Error> {
        let all = self.shared.ports.integration_overrides.list().await?;
        let found = all
            .into_iter()
            .find(|(owner, own, _)| owner == workspace && own == name);
        Ok(found.map(|(_, _, definition)| definition))
    }

    /// The name under which connectors of a type are kept, for its name or one of its aliases.
    pub fn canonical_name(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
    ) -> IntegrationTypeName {
        let known = self.shared.ports.catalogue.get(workspace, name);
        known.map_or_else(|| name.clone(), |known| known.name.clone())
    }

    /// One entry of the catalogue, by its name or an alias.
    pub fn integration_type(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
    ) -> Result<Arc<IntegrationType>, Error> {
        entry(self.shared.ports.catalogue.as_ref(), workspace, name)
    }

    /// All connectors of a workspace, by id: they are as many as an operator writes down.
    pub async fn all_connectors(&self, workspace: &WorkspaceName) -> Result<Vec<Connector>, Error> {
        let mut all: Vec<Connector> = Vec::new();
        loop {
            let after = all.last().map(|connector| connector.id.to_string());
            let page = Page { after, ..ALL };
            let part = self.shared.ports.connectors.list(workspace, &page).await?;
            if part.is_empty() {
                return Ok(all);
            }
            all.extend(part);
        }
    }

    /// The ids of those connectors that have connections.
    async fn used<'a>(
        &self,
        connectors: impl Iterator<Item = &'a Connector>,
    ) -> Result<Vec<&'a str>, Error> {
        let mut used = Vec::new();
        for connector in connectors {
            let filter = ConnectionFilter {
                connector_id: Some(connector.id.clone()),
                ..ConnectionFilter::default()
            };
            let one = Page {
                after: None,
                limit: 1,
            };
            let found = self
                .connections(&connector.workspace, &filter, &one)
                .await?;
            if !found.is_empty() {
                used.push(connector.id.as_str());
            }
        }
        Ok(used)
    }

    /// Deletes all connections under a connector, revoking each at the provider; answers how many.
    async fn delete_connections(&self, connector: &Connector) -> Result<u32, Error> {
        let filter = ConnectionFilter {
            connector_id: Some(connector.id.clone()),
            ..ConnectionFilter::default()
        };
        let mut deleted = 0_u32;
        loop {
            let part = self
                .connections(&connector.workspace, &filter, &ALL)
                .await?;
            if part.is_empty() {
                return Ok(deleted);
            }
            for connection in part {
                match self
                    .delete_connection(&connector.workspace, &connection.id, false)
                    .await
                {
                    Ok(_) => deleted = deleted.saturating_add(1),
                    // It went with a sibling, or somebody else was faster.
                    Err(Error::ConnectionNotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

/// An entry of a catalogue, or the name that may have been meant.
pub(crate) fn entry(
    catalogue: &dyn Catalogue,
    workspace: &WorkspaceName,
    name: &IntegrationTypeName,
) -> Result<Arc<IntegrationType>, Error> {
    catalogue
        .get(workspace, name)
        .ok_or_else(|| Error::IntegrationTypeUnknown {
            name: name.to_string(),
            nearest: catalogue
                .nearest(workspace, name)
                .map(|near| near.to_string()),
        })
}
