//! A connection and its credential as rows, and rows as a connection and its credential.

use tokend_keyring::{Keyring, key_id_of};
use tokend_model::{
    Account, Connection, ConnectionId, ConnectionStatus, ConnectorId, Credential, CredentialSource,
    Generation, IntegrationTypeName, Label, RefreshHealth, WorkspaceName,
    ports::{KeptGeneration, StorageError},
};

use super::tags::Tags;
use crate::{
    columns::{
        count, expiry, expiry_columns, list, list_text, map, milliseconds, name, optional_time,
        owner, time,
    },
    entities::{connection, connection_usage, credential},
    faults::corrupt,
    sealed::{CREDENTIAL_TOKENS, SealedRow, TokenColumns},
};

/// Reads a connection with its use counts and tags.
pub(crate) fn read_connection(
    row: connection::Model,
    usage: Option<connection_usage::Model>,
    tags: Tags,
) -> Result<Connection, StorageError> {
    let (use_count, last_use) = usage.map_or((0, None), |row| (row.use_count, row.last_use_time));
    Ok(Connection {
        workspace: name("connections.workspace", row.workspace, WorkspaceName::new)?,
        id: name("connections.id", row.id, ConnectionId::new)?,
        connector_id: name(
            "connections.connector_id",
            row.connector_id,
            ConnectorId::new,
        )?,
        integration_type: name(
            "connections.integration_type",
            row.integration_type,
            IntegrationTypeName::new,
        )?,
        owner: owner("connections.owner", &row.owner_kind, row.owner_user)?,
        label: name("connections.label", row.label, Label::new)?,
        token: row.token,
        tags,
        status: ConnectionStatus::parse(&row.status)
            .ok_or_else(|| corrupt("connections.status", "it is no status"))?,
        status_reason: row.status_reason,
        account: Account {
            id: row.account_id,
            email: row.account_email,
            name: row.account_name,
        },
        connection_config: map("connections.connection_config", &row.connection_config)?,
        scopes: list("connections.scopes", &row.scopes)?,
        generation: Generation(count("connections.generation", row.generation)?),
        expiry: expiry("connections.expiry", &row.expiry, row.expire_time)?,
        refresh_health: RefreshHealth {
            consecutive_failures: count(
                "connections.consecutive_failures",
                row.consecutive_failures,
            )?,
            last_failure: row.last_failure,
            last_failure_time: optional_time(
                "connections.last_failure_time",
                row.last_failure_time,
            )?,
            retry_time: optional_time("connections.retry_time", row.retry_time)?,
            accused_time: optional_time("connections.accused_time", row.accused_time)?,
            uncertain_since: optional_time("connections.uncertain_since", row.uncertain_since)?,
        },
        renewal_time: optional_time("connections.renewal_time", row.renewal_time)?,
        create_time: time("connections.create_time", row.create_time)?,
        authorize_time: time("connections.authorize_time", row.authorize_time)?,
        refresh_time: time("connections.refresh_time", row.refresh_time)?,
        last_use_time: optional_time("connection_usage.last_use_time", last_use)?,
        use_count,
    })
}

/// Reads a credential of a connection and opens its tokens.
pub(crate) fn read_credential(
    row: credential::Model,
    keyring: &Keyring,
) -> Result<Credential, StorageError> {
    let (workspace, id) = (row.workspace.clone(), row.connection_id.clone());
    let sealed = SealedRow {
        keyring,
        workspace: &workspace,
        id: &id,
        generation: count("credentials.generation", row.generation)?,
    };
    open_credential(row, &sealed, &CREDENTIAL_TOKENS)
}

/// What can be told of a credential without opening it.
pub(crate) fn read_generation(row: credential::Model) -> Result<KeptGeneration, StorageError> {
    let key_id = key_id_of(&row.access_token)
        .ok_or_else(|| corrupt("credentials.access_token", "it is not a whole sealed value"))?;
    Ok(KeptGeneration {
        generation: Generation(count("credentials.generation", row.generation)?),
        source: row.source.as_deref().and_then(CredentialSource::parse),
        receive_time: time("credentials.receive_time", row.receive_time)?,
        expiry: expiry("credentials.expiry", &row.expiry, row.expire_time)?,
        refresh_expire_time: optional_time(
            "credentials.refresh_expire_time",
            row.refresh_expire_time,
        )?,
        renewable: row.refresh_token.is_some(),
        key_id: key_id.to_owned(),
    })
}

/// Seals a credential's tokens into a row of the connection.
pub(crate) fn write_credential(
    workspace: &WorkspaceName,
    connection_id: &str,
    credential: &Credential,
    source: CredentialSource,
    keyring: &Keyring,
) -> Result<credential::Model, StorageError> {
    let sealing = SealedRow {
        keyring,
        workspace: workspace.as_str(),
        id: connection_id,
        generation: credential.generation.0,
    };
    let sealed = seal_credential(connection_id, credential, &sealing, &CREDENTIAL_TOKENS)?;
    Ok(credential::Model {
        source: Some(source.as_str().to_owned()),
        ..sealed
    })
}

/// Opens the tokens of a credential that were sealed for some columns of a row.
pub(crate) fn open_credential(
    row: credential::Model,
    sealed: &SealedRow<'_>,
    columns: &TokenColumns,
) -> Result<Credential, StorageError> {
    Ok(Credential {
        generation: Generation(sealed.generation),
        access_token: sealed.open(columns.access, &row.access_token)?,
        token_type: row.token_type,
        refresh_token: row
            .refresh_token
            .map(|token| sealed.open(columns.refresh, &token))
            .transpose()?,
        expiry: expiry("credentials.expiry", &row.expiry, row.expire_time)?,
        refresh_expire_time: optional_time(
            "credentials.refresh_expire_time",
            row.refresh_expire_time,
        )?,
        scopes: list("credentials.scopes", &row.scopes)?,
        receive_time: time("credentials.receive_time", row.receive_time)?,
    })
}

/// Seals a credential's tokens for some columns of a row.
pub(crate) fn seal_credential(
    connection_id: &str,
    credential: &Credential,
    sealing: &SealedRow<'_>,
    columns: &TokenColumns,
) -> Result<credential::Model, StorageError> {
    let (expiry, expire_time) = expiry_columns(credential.expiry);
    Ok(credential::Model {
        connection_id: connection_id.to_owned(),
        generation: i64::from(credential.generation.0),
        workspace: sealing.workspace.to_owned(),
        access_token: sealing.seal(columns.access, &credential.access_token)?,
        token_type: credential.token_type.clone(),
        refresh_token: credential
            .refresh_token
            .as_ref()
            .map(|token| sealing.seal(columns.refresh, token))
            .transpose()?,
        expiry: expiry.to_owned(),
        expire_time,
        refresh_expire_time: milliseconds(credential.refresh_expire_time),
        scopes: list_text(&credential.scopes),
        receive_time: credential.receive_time.timestamp_millis(),
        source: None,
    })
}
