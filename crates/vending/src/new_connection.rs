//! What every way of making a connection shares: when it is renewed first, and whose account it is.

use tokend_model::{
    Account, Connection, Connector, Renewable, Secret, Timestamp, TokenFailure,
    ports::{NewConnection, Registration},
};

use crate::{Vending, error::log_token_failure};

impl Vending {
    /// When a connection that is only now made is to be renewed although nobody asks. Where the answer has no refresh
    /// token an old one may stay, and trying finds out.
    pub(crate) fn first_renewal_time(
        &self,
        new: &NewConnection,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let catalogue = &self.shared.ports.catalogue;
        let facts = catalogue.refresh_facts(&new.workspace, &new.integration_type);
        let renewable = Renewable {
            received: new.answer.receive_time,
            expires: new.answer.expiry.time(),
            refresh_expires: new.answer.refresh_expire_time,
            used: now,
        };
        let roll = self.shared.ports.chance.roll();
        let policy = &self.shared.options.refresh_policy;
        (new.answer.refresh_token.is_some() || new.keep_refresh_token)
            .then(|| policy.renewal_time(&facts, renewable, now, roll))
    }

    /// Whose account it is, as far as the provider tells. `id` is what the log calls it by.
    pub(crate) async fn identify(
        &self,
        registration: Registration<'_>,
        access_token: &Secret,
        id: &str,
    ) -> Result<Account, TokenFailure> {
        let server = &self.shared.ports.authorization_server;
        server
            .identify(registration, access_token)
            .await
            .inspect_err(|failure| log_token_failure("identify", id, failure))
    }

    /// Asks whose account a stored connection is and notes it. Not knowing is no failure: the token works without.
    pub(crate) async fn learn_account(
        &self,
        connection: &mut Connection,
        connector: &Connector,
        access_token: &Secret,
    ) {
        let registration = Registration {
            connector,
            connection_config: &connection.connection_config,
        };
        let identified = self
            .identify(registration, access_token, connection.id.as_str())
            .await;
        let Some(account) = identified
            .ok()
            .filter(|account| *account != Account::default())
        else {
            return;
        };
        let connections = &self.shared.ports.connections;
        match connections
            .set_account(&connection.workspace, &connection.id, &account)
            .await
        {
            Ok(()) => connection.account = account,
            Err(error) => {
                tracing::warn!(id = %connection.id, %error, "whose account it is was not stored")
            }
        }
        self.shared.cache.remove(&self.cache_key_of(connection));
    }
}
