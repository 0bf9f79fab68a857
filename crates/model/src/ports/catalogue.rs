//! The catalogue, as the use cases see it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    ConnectionConfig, Connector, IntegrationType, IntegrationTypeName, InvalidConnectionConfig,
    RefreshFacts, WorkspaceName,
};

/// The catalogue, as the use cases see it.
pub trait Catalogue: Send + Sync {
    /// One integration type, by its name or an alias: the workspace's own definition before the one that came with
    /// tokend.
    fn get(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
    ) -> Option<Arc<IntegrationType>>;

    /// How its provider treats refresh tokens; the cautious assumptions for a type that is not known.
    fn refresh_facts(&self, workspace: &WorkspaceName, name: &IntegrationTypeName) -> RefreshFacts;

    /// The known name nearest to one that is not known, to suggest it.
    fn nearest(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
    ) -> Option<IntegrationTypeName>;

    /// All of them by name, unlisted ones included.
    fn list(&self, workspace: &WorkspaceName) -> Vec<Arc<IntegrationType>>;

    /// Checks connector-level values: only known keys, each matching its pattern; returns them as they will be kept.
    fn check_connector_config(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
        given: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig>;

    /// Checks the values given when connecting, over those of the connector, and fills in the defaults: all
    /// required ones present, none that only an operator may set. Returns connector's and given values together.
    fn check_connection_config(
        &self,
        connector: &Connector,
        given: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig>;

    /// What the parameters of a provider's callback tell for the connection config, as far as they match; an error where
    /// one that connecting needs is missing.
    fn learn_from_callback(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
        parameters: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig>;

    /// Checks values that another system has learnt from the provider, as an import brings them.
    fn check_learned_config(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
        given: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig>;

    /// This catalogue as it would be with these definitions (TOML) of the workspace, without taking them: connectors
    /// can be planned together with the new types they use. The error says where a definition is wrong and what is
    /// allowed.
    fn overlay(
        &self,
        workspace: &WorkspaceName,
        definitions: &[(IntegrationTypeName, String)],
    ) -> Result<Arc<dyn Catalogue>, InvalidDefinition>;

    /// Takes a definition that was stored into the workspace's catalogue.
    fn define(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
        definition: &str,
    ) -> Result<(), InvalidDefinition>;
}

/// An integration type's definition that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDefinition(
    /// Line, key and what is allowed.
    pub String,
);
