//! The browser's way to the provider: a one-time ticket, bound to the browser that opens it.

use std::time::Duration;

use tokend_model::{
    Authorization, ConnectionConfig, Connector, Secret, TicketUse,
    ports::{AuthorizeUrl, Registration},
};

use crate::{Error, Vending, connectors::enabled, one_time};

/// A browser's way on to the provider.
#[derive(Debug, Clone)]
pub struct OpenedTicket {
    /// The provider's URL; holds the state.
    pub provider_url: Secret,
    /// The cookie value that binds the attempt to this browser.
    pub browser_binding: Secret,
    /// The cookie's name: [`binding_name`] of the state sent along.
    pub binding_name: String,
    /// How long the cookie is of use.
    pub time_to_live: Duration,
}

/// The name of the cookie for the attempt with that state, so that attempts in one browser do not disturb each other.
pub fn binding_name(state: &Secret) -> String {
    let hash = one_time::hash(state.expose());
    let digits: String = hash
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("tokend_{digits}")
}

impl Vending {
    /// A browser opened the ticket: binds the attempt to it and answers where it goes. Opening the ticket again,
    /// before the provider's answer, starts over with a fresh state.
    pub async fn open_ticket(&self, ticket: &str) -> Result<OpenedTicket, Error> {
        let ports = &self.shared.ports;
        let authorization = self.authorization_of_ticket(ticket).await?;
        let now = ports.clock.now();
        if now >= authorization.expire_time {
            return Err(Error::AuthorizationExpired);
        }
        let connector = ports
            .connectors
            .get(&authorization.workspace, &authorization.connector_id)
            .await?
            .ok_or(Error::AuthorizationNotFound)?;
        enabled(&connector)?;
        let request = self
            .authorize_url(
                &connector,
                &authorization.connection_config,
                &authorization.scopes,
            )
            .await?;
        let (browser_binding, browser_hash) = one_time::generate()?;
        let ticket_use = TicketUse {
            state_hash: one_time::hash(request.state.expose()),
            pkce_verifier: request.pkce_verifier,
            browser_hash,
            redirect_uri: self.redirect_uri(&connector),
        };
        let begun = ports
            .authorizations
            .begin_consent(&authorization.workspace, &authorization.id, &ticket_use)
            .await?;
        if !begun {
            return Err(Error::AuthorizationExpired);
        }
        Ok(OpenedTicket {
            provider_url: request.url,
            browser_binding,
            binding_name: binding_name(&request.state),
            time_to_live: (authorization.expire_time - now)
                .to_std()
                .unwrap_or_default(),
        })
    }

    /// The attempt that a ticket leads to; opens nothing.
    pub async fn authorization_of_ticket(&self, ticket: &str) -> Result<Authorization, Error> {
        let authorizations = &self.shared.ports.authorizations;
        let found = authorizations
            .find_by_ticket(&one_time::hash(ticket))
            .await?;
        found.ok_or(Error::AuthorizationNotFound)
    }

    /// Where the browser would be sent, and what has to be remembered until it comes back.
    pub(crate) async fn authorize_url(
        &self,
        connector: &Connector,
        connection_config: &ConnectionConfig,
        scopes: &[String],
    ) -> Result<AuthorizeUrl, Error> {
        let registration = Registration {
            connector,
            connection_config,
            token: "",
        };
        self.shared
            .ports
            .authorization_server
            .authorize_url(registration, scopes, &self.redirect_uri(connector))
            .await
            .map_err(|unusable| self.unusable(connector, unusable))
    }
}
