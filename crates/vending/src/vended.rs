//! What a caller gets: a token with all that its user needs to know.

use std::sync::Arc;

use tokend_model::{
    Account, Connection, ConnectionConfig, ConnectionId, ConnectionStatus, Connector, ConnectorId,
    Credential, Expiry, Generation, RefreshFacts, Secret, Timestamp, WorkspaceName,
};

/// A token with what its user needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vended {
    /// The connection's workspace.
    pub workspace: WorkspaceName,
    /// The connection.
    pub connection_id: ConnectionId,
    /// The connector it is under.
    pub connector_id: ConnectorId,
    /// Which of its token sets this is.
    pub generation: Generation,
    /// The token.
    pub access_token: Secret,
    /// How to send it.
    pub token_type: String,
    /// When it runs out.
    pub expiry: Expiry,
    /// When the provider gave it.
    pub receive_time: Timestamp,
    /// Values to build the API's URL with.
    pub connection_config: ConnectionConfig,
    /// The scopes granted.
    pub scopes: Vec<String>,
    /// Scopes the connector asks for that were not granted.
    pub missing_scopes: Vec<String>,
    /// Whose account it is.
    pub account: Account,
    /// By when the user has to consent again, as far as that is known.
    pub needs_user_by: Option<Timestamp>,
    /// What the caller should know although the token works.
    pub warnings: Vec<Warning>,
}

/// Something a caller should know although the token works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Warning {
    /// The token is valid, but renewing it fails for now.
    RenewalFailing,
    /// The token lives shorter than was asked for, whole and freshly issued.
    MinTtlBeyondLifetime,
    /// There is no refresh token: the user has to connect again when the token runs out.
    NotRenewable,
    /// The grant is over, or will be soon: the user has to consent again.
    ConsentExpires,
    /// The user did not grant all scopes the connector asks for.
    ScopesMissing,
    /// The token has more scopes than were asked for.
    ScopesNotNarrowed,
}

impl Warning {
    /// Whether it says that the user will be needed.
    pub fn needs_user(self) -> bool {
        matches!(self, Self::NotRenewable | Self::ConsentExpires)
    }
}

/// What a caller gets of a connection and its credential.
pub(crate) fn vended(
    connection: &Connection,
    connector: &Connector,
    wanted_scopes: &[String],
    credential: Credential,
    facts: &RefreshFacts,
) -> Arc<Vended> {
    let renewable = credential.refresh_token.is_some();
    let ended = connection.status == ConnectionStatus::Error;
    let end = credential.refresh_expire_time;
    let needs_user_by = needs_user_by(connection, facts, credential.expiry, end, renewable);
    let missing = |scope: &&String| !credential.scopes.contains(scope);
    let missing_scopes: Vec<_> = wanted_scopes.iter().filter(missing).cloned().collect();
    let mut warnings = Vec::new();
    if ended {
        warnings.push(Warning::ConsentExpires);
    } else if !renewable && credential.expiry.time().is_some() {
        warnings.push(Warning::NotRenewable);
    }
    if !missing_scopes.is_empty() {
        warnings.push(Warning::ScopesMissing);
    }
    Arc::new(Vended {
        workspace: connection.workspace.clone(),
        connection_id: connection.id.clone(),
        connector_id: connector.id.clone(),
        generation: credential.generation,
        missing_scopes,
        access_token: credential.access_token,
        token_type: credential.token_type,
        expiry: credential.expiry,
        receive_time: credential.receive_time,
        connection_config: connection.connection_config.clone(),
        scopes: credential.scopes,
        account: connection.account.clone(),
        needs_user_by,
        warnings,
    })
}

/// By when the user of a connection has to consent again. In `ERROR` renewing is over, whatever there is to renew with.
pub(crate) fn needs_user_by(
    connection: &Connection,
    facts: &RefreshFacts,
    expiry: Expiry,
    refresh_expires: Option<Timestamp>,
    renewable: bool,
) -> Option<Timestamp> {
    let renewable = renewable && connection.status != ConnectionStatus::Error;
    facts.needs_user_by(
        connection.authorize_time,
        expiry,
        refresh_expires,
        renewable,
    )
}

/// The same with one more warning.
pub(crate) fn warned(present: &Arc<Vended>, warning: Warning) -> Arc<Vended> {
    let mut vended = Vended::clone(present);
    vended.warnings.push(warning);
    Arc::new(vended)
}
