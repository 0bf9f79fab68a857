//! Many connections: imported accounts under shared connectors, each of an integration type and an OAuth client of its
//! own, so that one simulator plays providers of every class.

use std::time::Duration;

use futures::{StreamExt, stream};
use tokend_api::v1;
use tokend_client::Client;
use tokend_simulator::{IssuedTokens, Rotation};
use tokend_tests::{Tokend, definition};
use tonic::Status;

use crate::answers::now;

/// How much is set up at a time.
const AT_ONCE: usize = 16;

/// Connectors with their integration types that fit into one call.
const CHUNK: usize = 40;

/// What becomes of a refresh token that is redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// C0: it stays valid.
    StaysValid,
    /// C1: it may be redeemed again for a while.
    Overlap,
    /// C3: it is dead, and redeeming it again ends the grant.
    Strict,
}

/// An account that tokend has a connection to.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// Its integration type, which is also its connector's id.
    pub(crate) connector: String,
    /// Tells it from the others under that connector.
    pub(crate) label: String,
    pub(crate) connection_id: String,
    /// What it was imported with.
    pub(crate) tokens: IssuedTokens,
}

impl Class {
    pub(crate) const ALL: [Self; 3] = [Self::StaysValid, Self::Overlap, Self::Strict];

    fn rotation(self) -> Rotation {
        match self {
            Self::StaysValid => Rotation::Additive,
            Self::Overlap => Rotation::Overlap {
                window: Duration::from_secs(600),
            },
            Self::Strict => Rotation::Strict,
        }
    }

    fn toml(self, base: &str) -> String {
        let rotation = match self {
            Self::StaysValid => "\"stays_valid\"",
            Self::Overlap => "\"overlap\"\noverlap_seconds = 600",
            Self::Strict => "\"strict\"",
        };
        definition(base).replace("rotation = \"strict\"", &format!("rotation = {rotation}"))
    }
}

impl Account {
    /// Asks for its token.
    pub(crate) async fn get(&self, backend: &Client) -> Result<v1::VendedConnection, Status> {
        self.get_instead_of(backend, None).await
    }

    /// Asks for its token, complaining about the one of that generation.
    pub(crate) async fn get_instead_of(
        &self,
        backend: &Client,
        rejected_generation: Option<u32>,
    ) -> Result<v1::VendedConnection, Status> {
        let get = v1::GetConnectionRequest {
            integration_type: self.connector.clone(),
            label: Some(self.label.clone()),
            rejected_generation,
            ..Default::default()
        };
        Ok(backend.connectors().get_connection(get).await?.into_inner())
    }

    /// All about its connection, as operators see it.
    pub(crate) async fn describe(&self, operator: &Client) -> v1::DescribeConnectionResponse {
        let describe = v1::DescribeConnectionRequest {
            connection_id: self.connection_id.clone(),
        };
        let answer = operator.admin().describe_connection(describe).await;
        answer.unwrap().into_inner()
    }

    /// Its connection, as operators see it.
    pub(crate) async fn connection(&self, operator: &Client) -> v1::Connection {
        self.describe(operator).await.connection.unwrap()
    }
}

/// The OAuth client of a connector.
pub(crate) fn client_of(connector: &str) -> String {
    format!("client-of-{connector}")
}

/// Adds shared connectors, each at a provider of its own of this class.
pub(crate) async fn add_connectors(tokend: &Tokend, class: Class, ids: &[String]) {
    for chunk in ids.chunks(CHUNK) {
        let apply = v1::ApplyConnectorsRequest {
            connectors: chunk
                .iter()
                .map(|id| connector(tokend, class, id))
                .collect(),
            integration_types: chunk
                .iter()
                .map(|id| v1::IntegrationTypeDefinition {
                    integration_type: id.clone(),
                    toml: class.toml(tokend.simulator.base_url()),
                })
                .collect(),
            ..Default::default()
        };
        let mut admin = tokend.operator.admin();
        admin.apply_connectors(apply).await.unwrap();
    }
}

fn connector(tokend: &Tokend, class: Class, id: &str) -> v1::Connector {
    let client = tokend_simulator::Client::new(client_of(id));
    tokend.simulator.register(client.clone());
    tokend.simulator.change_client(&client.id, |behaviour| {
        behaviour.rotation = class.rotation()
    });
    v1::Connector {
        connector_id: id.to_owned(),
        integration_type: id.to_owned(),
        kind: v1::ConnectorKind::Shared.into(),
        client_id: client.id,
        client_secret: client.secret,
        scopes: vec!["events.read".to_owned()],
        ..Default::default()
    }
}

/// Connections under these connectors with these labels, in that order.
pub(crate) async fn import(
    tokend: &Tokend,
    places: impl IntoIterator<Item = (String, String)>,
) -> Vec<Account> {
    stream::iter(places)
        .map(|(connector, label)| import_one(tokend, connector, label))
        .buffered(AT_ONCE)
        .collect()
        .await
}

/// So many connections under one new connector.
pub(crate) async fn import_many(
    tokend: &Tokend,
    class: Class,
    connector: &str,
    count: usize,
) -> Vec<Account> {
    add_connectors(tokend, class, &[connector.to_owned()]).await;
    let place = |number| (connector.to_owned(), format!("account-{number}"));
    import(tokend, (0..count).map(place)).await
}

async fn import_one(tokend: &Tokend, connector: String, label: String) -> Account {
    let tokens = tokend
        .simulator
        .grant(&client_of(&connector), &label, &["events.read"]);
    let import = v1::ImportConnectionRequest {
        connector_id: connector.clone(),
        label: Some(label.clone()),
        access_token: tokens.access_token.clone(),
        refresh_token: tokens.refresh_token.clone().unwrap_or_default(),
        expire_time: tokens.lifetime.map(|lifetime| (now() + lifetime).into()),
        account: Some(v1::Account {
            id: label.clone(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut admin = tokend.operator.admin();
    let imported = admin.import_connection(import).await.unwrap().into_inner();
    Account {
        connector,
        label,
        connection_id: imported.connection.unwrap().connection_id,
        tokens,
    }
}
