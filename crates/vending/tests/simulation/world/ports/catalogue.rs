//! A catalogue of one integration type, and of another whose provider takes one call a second.

use std::{collections::BTreeMap, sync::Arc};

use tokend_model::{
    ApiFacts, Capabilities, ConnectionConfig, Connector, GrantType, IntegrationType,
    IntegrationTypeName, InvalidConnectionConfig, RefreshFacts, ScopeSets, WorkspaceName,
    ports::{Catalogue, InvalidDefinition},
};

/// All connections of a run are of one client.
pub(crate) const CLIENT_ID: &str = "client";

pub(super) struct OneType(pub(super) RefreshFacts);

/// The name of the one type.
pub(crate) fn integration_type() -> IntegrationTypeName {
    #[expect(clippy::unwrap_used, reason = "the name is a valid one")]
    IntegrationTypeName::new("simulated").unwrap()
}

/// The name of the slow one.
pub(crate) fn slow_type() -> IntegrationTypeName {
    #[expect(clippy::unwrap_used, reason = "the name is a valid one")]
    IntegrationTypeName::new("slow").unwrap()
}

impl Catalogue for OneType {
    fn get(
        &self,
        _workspace: &WorkspaceName,
        name: &IntegrationTypeName,
    ) -> Option<Arc<IntegrationType>> {
        let known = *name == integration_type();
        known.then(|| {
            Arc::new(IntegrationType {
                name: name.clone(),
                display_name: String::new(),
                description: String::new(),
                category: String::new(),
                documentation_url: String::new(),
                listed: true,
                user_defined: false,
                capabilities: Capabilities::default(),
                scopes: ScopeSets::default(),
                connection_config_fields: Vec::new(),
                aliases: Vec::new(),
                grant_type: GrantType::default(),
                device_authorization: false,
                static_credential: None,
                other_tokens: Vec::new(),
                api: ApiFacts::default(),
            })
        })
    }

    fn refresh_facts(&self, _: &WorkspaceName, name: &IntegrationTypeName) -> RefreshFacts {
        RefreshFacts {
            calls_per_second: (*name == slow_type()).then_some(1),
            ..self.0.clone()
        }
    }

    fn nearest(&self, _: &WorkspaceName, _: &IntegrationTypeName) -> Option<IntegrationTypeName> {
        None
    }

    fn list(&self, workspace: &WorkspaceName) -> Vec<Arc<IntegrationType>> {
        self.get(workspace, &integration_type())
            .into_iter()
            .collect()
    }

    fn check_connector_config(
        &self,
        _workspace: &WorkspaceName,
        _name: &IntegrationTypeName,
        given: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig> {
        Ok(given.clone())
    }

    fn check_connection_config(
        &self,
        _connector: &Connector,
        given: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig> {
        Ok(given.clone())
    }

    fn learn_from_callback(
        &self,
        _workspace: &WorkspaceName,
        _name: &IntegrationTypeName,
        _parameters: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig> {
        Ok(ConnectionConfig::new())
    }

    fn check_learned_config(
        &self,
        _workspace: &WorkspaceName,
        _name: &IntegrationTypeName,
        given: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, InvalidConnectionConfig> {
        Ok(given.clone())
    }

    fn overlay(
        &self,
        _workspace: &WorkspaceName,
        _definitions: &[(IntegrationTypeName, String)],
    ) -> Result<Arc<dyn Catalogue>, InvalidDefinition> {
        Ok(Arc::new(Self(self.0.clone())))
    }

    fn define(
        &self,
        _workspace: &WorkspaceName,
        _name: &IntegrationTypeName,
        _definition: &str,
    ) -> Result<(), InvalidDefinition> {
        Ok(())
    }
}
