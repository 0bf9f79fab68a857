//! Integration types of a test's own, and connectors for them at the simulator.

use tokend_api::v1;
use tokend_simulator::Client;
use tokend_tests::{Tokend, definition};

/// The simulator's definition with another `[about] grant`: what only a consent needs is left out.
pub(crate) fn with_grant(tokend: &Tokend, grant: &str, sections: &str) -> String {
    let base = tokend.simulator.base_url();
    let plain = definition(base);
    let authorize = format!("[authorize]\nurl = \"{base}/authorize\"\n");
    assert!(plain.contains(&authorize));
    let about = "category = \"developer\"\n";
    let rotation = "rotation = \"strict\"";
    assert!(plain.contains(rotation));
    plain
        .replace(&authorize, sections)
        .replace(about, &format!("{about}grant = \"{grant}\"\n"))
        .replace(rotation, "rotation = \"stays_valid\"")
}

/// A connector of that type for a fresh client at the simulator, not applied yet.
pub(crate) fn connector(tokend: &Tokend, id: &str, name: &str) -> v1::Connector {
    let client = Client::new(format!("client-of-{id}"));
    tokend.simulator.register(client.clone());
    v1::Connector {
        connector_id: id.to_owned(),
        integration_type: name.to_owned(),
        kind: v1::ConnectorKind::Shared.into(),
        client_id: client.id,
        client_secret: client.secret,
        scopes: vec!["events.read".to_owned()],
        ..Default::default()
    }
}

/// Defines a type and applies connectors together.
pub(crate) async fn apply(
    tokend: &Tokend,
    name: &str,
    toml: String,
    connectors: Vec<v1::Connector>,
) -> Vec<v1::PlannedChange> {
    let apply = v1::ApplyConnectorsRequest {
        connectors,
        integration_types: vec![v1::IntegrationTypeDefinition {
            integration_type: name.to_owned(),
            toml,
        }],
        ..Default::default()
    };
    let mut admin = tokend.operator.admin();
    let applied = admin.apply_connectors(apply).await.unwrap();
    applied.into_inner().changes
}

/// A start for the shared connector of that type.
pub(crate) fn start(name: &str) -> v1::StartAuthorizationRequest {
    v1::StartAuthorizationRequest {
        integration_type: name.to_owned(),
        ..Default::default()
    }
}

/// A get of the shared connection of that type.
pub(crate) fn get(name: &str) -> v1::GetConnectionRequest {
    v1::GetConnectionRequest {
        integration_type: name.to_owned(),
        ..Default::default()
    }
}
