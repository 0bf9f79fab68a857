//! Connectors: an integration type with client credentials and scopes, set up by an operator.

use crate::{ConnectionConfig, ConnectorId, IntegrationTypeName, Secret, Timestamp, WorkspaceName};

/// A registered OAuth client of an integration type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    /// The workspace it lives in.
    pub workspace: WorkspaceName,
    /// Unique in the workspace.
    pub id: ConnectorId,
    /// The catalogue entry it speaks with.
    pub integration_type: IntegrationTypeName,
    /// Whose accounts are connected under it.
    pub kind: ConnectorKind,
    /// How people know it; may be empty.
    pub display_name: String,
    /// The client identifier registered at the provider (RFC 6749 section 2.2).
    pub client_id: String,
    /// The client's secret, if it is a confidential client; for clients that sign, their private key.
    pub client_secret: Option<Secret>,
    /// Tried in this order where the provider refuses `client_secret`, while one is being rotated.
    pub other_client_secrets: Vec<Secret>,
    /// The scopes asked for; empty for the integration type's reading set.
    pub scopes: Vec<String>,
    /// Values that hold for all its connections, such as the endpoints of `generic_oauth2`.
    pub connection_config: ConnectionConfig,
    /// Where a browser may be sent after connecting; compared as whole URLs.
    pub return_urls: Vec<String>,
    /// Whether vending and connecting are switched off.
    pub disabled: bool,
    /// What to do when an owner connects again with another account.
    pub account_change: AccountChange,
    /// Counts its changes, from 1; the etag.
    pub version: i64,
    /// When it was made.
    pub create_time: Timestamp,
    /// When it was last changed.
    pub update_time: Timestamp,
}

/// Whose accounts are connected under a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectorKind {
    /// The organisation's own; at most one such connector per integration type and workspace.
    Shared,
    /// Each app user's own.
    AppUser,
}

/// What to do when consent is given again with another account of the provider's; the connection id stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum AccountChange {
    /// The connection keeps its account, and the fresh grant is revoked.
    Refuse,
    /// The starter has to say so first.
    Ask,
    /// The connection is the new account's from then on.
    #[default]
    Accept,
}

/// One step of applying a set of connectors; the steps of a set take effect together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectorChange {
    /// A connector that is not there yet.
    Create(Connector),
    /// The new state of a connector; its `version` is the one that was read.
    Update(Connector),
    /// A connector to remove, with its connections.
    Delete(ConnectorId),
}

impl Connector {
    /// What tells this connector's callbacks from all others': part of the redirect URI registered at the
    /// provider (RFC 9700 section 4.4.2.2 asks for distinct ones).
    pub fn callback_context(&self) -> String {
        format!("{}.{}", self.workspace, self.id)
    }

    /// Reads a callback context back into the workspace and connector id it was made of.
    pub fn parse_callback_context(context: &str) -> Option<(WorkspaceName, ConnectorId)> {
        let (workspace, id) = context.split_once('.')?;
        Some((
            WorkspaceName::new(workspace).ok()?,
            ConnectorId::new(id).ok()?,
        ))
    }
}
