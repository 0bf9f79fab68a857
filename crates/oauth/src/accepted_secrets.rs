//! Which of a connector's client secrets its provider took last, so that a rotation costs one refused call, not one each
//! time.

use moka::future::Cache;
use ring::digest::{SHA256, digest};
use tokend_model::{Connector, ConnectorId, Secret, WorkspaceName};

/// So many connectors are remembered; one that is not starts from its first secret again.
const MAX_CONNECTORS: u64 = 10_000;

/// The SHA-256 of the secret that was taken last; in memory only.
pub(crate) struct AcceptedSecrets(Cache<(WorkspaceName, ConnectorId), Vec<u8>>);

impl AcceptedSecrets {
    pub(crate) fn new() -> Self {
        Self(Cache::new(MAX_CONNECTORS))
    }

    /// The connector's secrets, or that it has none, in the order to try: the one taken last, then the others as they are
    /// configured.
    pub(crate) async fn in_order<'c>(&self, connector: &'c Connector) -> Vec<Option<&'c Secret>> {
        let others = connector.other_client_secrets.iter().map(Some);
        let mut secrets: Vec<_> = [connector.client_secret.as_ref()]
            .into_iter()
            .chain(others)
            .collect();
        if secrets.len() > 1
            && let Some(accepted) = self.0.get(&key(connector)).await
        {
            secrets.sort_by_key(|secret| secret.map(hash).as_ref() != Some(&accepted));
        }
        secrets
    }

    /// Remembers the secret that was taken where another was refused.
    pub(crate) async fn remember(&self, connector: &Connector, secret: &Secret) {
        self.0.insert(key(connector), hash(secret)).await;
    }
}

fn key(connector: &Connector) -> (WorkspaceName, ConnectorId) {
    (connector.workspace.clone(), connector.id.clone())
}

fn hash(secret: &Secret) -> Vec<u8> {
    digest(&SHA256, secret.expose().as_bytes())
        .as_ref()
        .to_vec()
}
