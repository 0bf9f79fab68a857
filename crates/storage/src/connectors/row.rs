//! A connector as a row, and a row as a connector.

use tokend_keyring::Keyring;
use tokend_model::{
    Connector, ConnectorId, ConnectorKind, IntegrationTypeName, WorkspaceName, ports::StorageError,
};

use crate::{
    columns::{kind, kind_text, list, list_text, map, map_text, name, time},
    entities::connector::Model,
    sealed::{CLIENT_SECRET, SealedRow},
};

impl Model {
    /// Reads the row and opens its secret.
    pub(crate) fn read(self, keyring: &Keyring) -> Result<Connector, StorageError> {
        let workspace = name("connectors.workspace", self.workspace, WorkspaceName::new)?;
        let id = name("connectors.id", self.id, ConnectorId::new)?;
        let client_secret = self
            .client_secret
            .map(|sealed| {
                SealedRow::new(keyring, &workspace, id.as_str()).open(CLIENT_SECRET, &sealed)
            })
            .transpose()?;
        Ok(Connector {
            workspace,
            id,
            integration_type: name(
                "connectors.integration_type",
                self.integration_type,
                IntegrationTypeName::new,
            )?,
            kind: kind("connectors.kind", &self.kind)?,
            display_name: self.display_name,
            client_id: self.client_id,
            client_secret,
            scopes: list("connectors.scopes", &self.scopes)?,
            connection_config: map("connectors.connection_config", &self.connection_config)?,
            return_urls: list("connectors.return_urls", &self.return_urls)?,
            disabled: self.disabled,
            version: self.version,
            create_time: time("connectors.create_time", self.create_time)?,
            update_time: time("connectors.update_time", self.update_time)?,
        })
    }

    /// Makes a row of the workspace and seals the secret.
    pub(crate) fn write(
        workspace: &WorkspaceName,
        connector: &Connector,
        keyring: &Keyring,
    ) -> Result<Self, StorageError> {
        let sealing = SealedRow::new(keyring, workspace, connector.id.as_str());
        let integration_type = connector.integration_type.as_str().to_owned();
        let is_shared = connector.kind == ConnectorKind::Shared;
        let shared_type = is_shared.then(|| integration_type.clone());
        Ok(Self {
            workspace: workspace.as_str().to_owned(),
            id: connector.id.as_str().to_owned(),
            integration_type,
            kind: kind_text(connector.kind).to_owned(),
            shared_type,
            display_name: connector.display_name.clone(),
            client_id: connector.client_id.clone(),
            client_secret: connector
                .client_secret
                .as_ref()
                .map(|secret| sealing.seal(CLIENT_SECRET, secret))
                .transpose()?,
            scopes: list_text(&connector.scopes),
            connection_config: map_text(&connector.connection_config),
            return_urls: list_text(&connector.return_urls),
            disabled: connector.disabled,
            version: connector.version,
            create_time: connector.create_time.timestamp_millis(),
            update_time: connector.update_time.timestamp_millis(),
        })
    }
}
