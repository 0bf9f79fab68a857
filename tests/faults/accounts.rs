//! Connected accounts: what tokend calls a connection, and which grant in the ledger it stands for.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::{StreamExt, stream};
use tokend_api::v1;
use tokend_client::{Client, Connection, Error, GetOptions};
use tokend_simulator::FamilyId;

use crate::{fleet::Fleet, provider_class::Class};

/// How many are connected at a time.
const AT_ONCE: usize = 8;

/// A connected account.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) class: Class,
    /// Tells it from the others of its class.
    pub(crate) label: String,
    pub(crate) connection_id: String,
    /// Its grant at the simulator.
    pub(crate) family: FamilyId,
}

impl Account {
    /// Asks for its token.
    pub(crate) async fn get(
        &self,
        client: &Client,
        rejected_generation: Option<u32>,
    ) -> Result<Connection, Error> {
        let options = GetOptions {
            label: Some(self.label.clone()),
            rejected_generation,
            ..GetOptions::default()
        };
        client
            .get_connection(self.class.integration_type())
            .with_options(options)
            .await
    }

    /// Renews its token, whatever life that has left.
    pub(crate) async fn refresh(&self, client: &Client) -> Result<v1::Connection, tonic::Status> {
        let request = v1::RefreshConnectionRequest {
            connection_id: self.connection_id.clone(),
            ..Default::default()
        };
        let answer = client.admin().refresh_connection(request).await?;
        Ok(answer.into_inner().connection.unwrap())
    }

    /// Its status, as an operator sees it.
    pub(crate) async fn describe(&self, client: &Client) -> Result<v1::Connection, tonic::Status> {
        let request = v1::DescribeConnectionRequest {
            connection_id: self.connection_id.clone(),
        };
        let answer = client.admin().describe_connection(request).await?;
        Ok(answer.into_inner().connection.unwrap())
    }
}

/// Connects so many accounts of each class, whose access tokens live for so long.
pub(crate) async fn connect(
    fleet: &Fleet,
    classes: &[Class],
    each: usize,
    lifetime: Duration,
) -> Vec<Arc<Account>> {
    for class in classes {
        class.change(&fleet.simulator, |behaviour| {
            behaviour.access_token_lifetime = Some(lifetime);
        });
    }
    let all = (0..each).flat_map(|number| classes.iter().map(move |class| (*class, number)));
    stream::iter(all)
        .map(|(class, number)| import(fleet, class, format!("account-{number}")))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// Makes a grant at the simulator, and brings it to tokend.
#[expect(
    clippy::disallowed_methods,
    reason = "an import says when the token ends by the clock"
)]
async fn import(fleet: &Fleet, class: Class, label: String) -> Arc<Account> {
    let granted = fleet
        .simulator
        .grant(&class.client_id(), &label, &["events.read"]);
    let expire_time = granted
        .lifetime
        .map(|lifetime| SystemTime::now() + lifetime);
    let request = v1::ImportConnectionRequest {
        connector_id: class.integration_type().to_owned(),
        label: Some(label.clone()),
        access_token: granted.access_token,
        refresh_token: granted.refresh_token.unwrap(),
        expire_time: expire_time.map(Into::into),
        account: Some(v1::Account {
            id: label.clone(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut admin = fleet.clients[0].admin();
    let imported = admin.import_connection(request).await.unwrap();
    Arc::new(Account {
        class,
        label,
        connection_id: imported.into_inner().connection.unwrap().connection_id,
        family: granted.family,
    })
}
