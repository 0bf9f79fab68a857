//! A connector as a row, and a row as a connector.

use tokend_keyring::Keyring;
use tokend_model::{
    Connector, ConnectorId, ConnectorKind, IntegrationTypeName, Secret, WorkspaceName,
    ports::StorageError,
};

use crate::{
    columns::{
        account_change, account_change_text, kind, kind_text, list, list_text, map, map_text, name,
        time,
    },
    entities::connector::Model,
    sealed::{CLIENT_SECRET, OTHER_CLIENT_SECRETS, SealedRow},
};

impl Model {
    /// Reads the row and opens its secret.
    pub(crate) fn read(self, keyring: &Keyring) -> Result<Connector, StorageError> {
        let workspace = name("connectors.workspace", self.workspace, WorkspaceName::new)?;
        let id = name("connectors.id", self.id, ConnectorId::new)?;
        let row = SealedRow::new(keyring, &workspace, id.as_str());
        let client_secret = self
            .client_secret
            .map(|sealed| row.open(CLIENT_SECRET, &sealed))
            .transpose()?;
        let other_client_secrets = match self.other_client_secrets {
            Some(sealed) => open_list(&row, &sealed)?,
            None => Vec::new(),
        };
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
            other_client_secrets,
            scopes: list("connectors.scopes", &self.scopes)?,
            connection_config: map("connectors.connection_config", &self.connection_config)?,
            return_urls: list("connectors.return_urls", &self.return_urls)?,
            disabled: self.disabled,
            account_change: account_change("connectors.account_change", &self.account_change)?,
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
            other_client_secrets: seal_list(&sealing, &connector.other_client_secrets)?,
            scopes: list_text(&connector.scopes),
            connection_config: map_text(&connector.connection_config),
            return_urls: list_text(&connector.return_urls),
            disabled: connector.disabled,
            account_change: account_change_text(connector.account_change).to_owned(),
            version: connector.version,
            create_time: connector.create_time.timestamp_millis(),
            update_time: connector.update_time.timestamp_millis(),
        })
    }
}

/// Seals secrets together, so that not even their number shows; none are no value.
fn seal_list(sealing: &SealedRow<'_>, secrets: &[Secret]) -> Result<Option<Vec<u8>>, StorageError> {
    if secrets.is_empty() {
        return Ok(None);
    }
    let texts: Vec<String> = secrets
        .iter()
        .map(|secret| secret.expose().to_owned())
        .collect();
    let whole = Secret::new(list_text(&texts));
    sealing.seal(OTHER_CLIENT_SECRETS, &whole).map(Some)
}

/// Opens secrets that were sealed together.
fn open_list(row: &SealedRow<'_>, sealed: &[u8]) -> Result<Vec<Secret>, StorageError> {
    let whole = row.open(OTHER_CLIENT_SECRETS, sealed)?;
    let texts = list(OTHER_CLIENT_SECRETS, whole.expose())?;
    Ok(texts.into_iter().map(Secret::new).collect())
}
