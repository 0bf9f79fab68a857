//! Starting to connect: from the wish to the browser's way to the provider.

use std::{collections::BTreeMap, time::Duration};

use tokend_model::{
    Authorization, AuthorizationId, AuthorizationState, ConnectionConfig, ConnectionId,
    ConnectionStatus, Connector, Label, Owner, Secret, TicketUse, WorkspaceName,
    ports::Registration,
};
use url::Url;
use uuid::Uuid;

use crate::{ConnectLink, ConnectorRef, Error, Vending, connectors::enabled, one_time};

/// A wish to connect an account.
#[derive(Debug, Clone)]
pub struct StartAuthorization {
    /// The workspace it lives in.
    pub workspace: WorkspaceName,
    /// The connector to connect under.
    pub connector: ConnectorRef,
    /// Who will own the connection.
    pub owner: Owner,
    /// The label it will have.
    pub label: Label,
    /// Fewer scopes than the connector's; empty for all of them.
    pub scopes: Vec<String>,
    /// The values asked for before connecting.
    pub connection_config: BTreeMap<String, String>,
    /// Where the browser goes afterwards; must be allowed by the connector or the configuration.
    pub return_url: Option<String>,
    /// Consent anew although there is a connection.
    pub reconnect: bool,
    /// Whether the starter keeps the completion token, instead of getting it on the return URL.
    pub keeps_completion_token: bool,
}

/// What came of the wish.
#[derive(Debug, Clone)]
pub enum StartedAuthorization {
    /// An attempt is open.
    Open {
        /// The attempt.
        authorization: Box<Authorization>,
        /// Where to send the browser; holds a one-time ticket.
        redirect_url: Secret,
        /// For whoever started, if they keep it.
        completion_token: Option<Secret>,
    },
    /// The owner has such a connection, and consenting anew was not asked for.
    AlreadyConnected(ConnectionId),
}

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
    /// Opens an attempt to connect. Everything that can be wrong with it is told now, not to the browser later.
    pub async fn start_authorization(
        &self,
        start: &StartAuthorization,
    ) -> Result<StartedAuthorization, Error> {
        let ports = &self.shared.ports;
        let connector = self.connector(&start.workspace, &start.connector).await?;
        if let Some(return_url) = &start.return_url {
            self.check_return_url(&connector, return_url)?;
        }
        let present = ports
            .connections
            .locate(&start.workspace, &connector.id, &start.owner, &start.label)
            .await?;
        if let Some(connection) = &present
            && matches!(
                connection.status,
                ConnectionStatus::Authorized | ConnectionStatus::Expired
            )
            && !start.reconnect
        {
            return Ok(StartedAuthorization::AlreadyConnected(
                connection.id.clone(),
            ));
        }
        let scopes = self.scopes_to_ask(&connector, &start.scopes)?;
        let connection_config = ports
            .catalogue
            .check_connection_config(&connector, &start.connection_config)?;
        self.authorize_url(&connector, &connection_config, &scopes)?;

        let now = ports.clock.now();
        let authorization = Authorization {
            workspace: start.workspace.clone(),
            id: AuthorizationId::from_uuid(Uuid::now_v7()),
            connector_id: connector.id.clone(),
            owner: start.owner.clone(),
            label: start.label.clone(),
            scopes,
            connection_config,
            return_url: start.return_url.clone(),
            state: AuthorizationState::Started,
            failure_reason: String::new(),
            connection_id: None,
            create_time: now,
            expire_time: now + self.shared.options.authorization_time_to_live,
        };
        let (ticket, ticket_hash) = one_time::generate()?;
        let (completion_token, completion_hash) = match start.keeps_completion_token {
            true => one_time::generate().map(|(token, hash)| (Some(token), Some(hash)))?,
            false => (None, None),
        };
        ports
            .authorizations
            .insert(&authorization, &ticket_hash, completion_hash.as_deref())
            .await?;
        let public_url = &self.shared.options.public_url;
        let redirect_url = format!("{public_url}/oauth/start/{}", ticket.expose());
        Ok(StartedAuthorization::Open {
            authorization: Box::new(authorization),
            redirect_url: Secret::new(redirect_url),
            completion_token,
        })
    }

    /// A link for an app user whose consent is missing, for an error that says so.
    pub async fn connect_link(&self, start: &StartAuthorization) -> Result<ConnectLink, Error> {
        match self.start_authorization(start).await? {
            StartedAuthorization::Open {
                authorization,
                redirect_url,
                ..
            } => Ok(ConnectLink {
                redirect_url,
                authorization_id: authorization.id.to_string(),
            }),
            StartedAuthorization::AlreadyConnected(_) => Err(Error::Internal),
        }
    }

    /// A browser opened the ticket: binds the attempt to it and answers where it goes. Opening the ticket again,
    /// before the provider's answer, starts over with a fresh state.
    pub async fn open_ticket(&self, ticket: &str) -> Result<OpenedTicket, Error> {
        let ports = &self.shared.ports;
        let authorization = ports
            .authorizations
            .find_by_ticket(&one_time::hash(ticket))
            .await?
            .ok_or(Error::AuthorizationNotFound)?;
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
        let request = self.authorize_url(
            &connector,
            &authorization.connection_config,
            &authorization.scopes,
        )?;
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

    /// One attempt, for whoever waits for it.
    pub async fn authorization(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
    ) -> Result<Authorization, Error> {
        let found = self.shared.ports.authorizations.get(workspace, id).await?;
        found.ok_or(Error::AuthorizationNotFound)
    }

    /// Ends attempts whose time ran out and erases what is sealed for them. One that is being redeemed is given the
    /// time that takes.
    pub async fn expire_authorizations(&self) -> Result<u64, Error> {
        let ports = &self.shared.ports;
        let deadline = ports.clock.now() - self.shared.options.claim_time_to_live * 3;
        let reason = Error::AuthorizationExpired.reason();
        Ok(ports.authorizations.expire(deadline, reason).await?)
    }

    fn authorize_url(
        &self,
        connector: &Connector,
        connection_config: &ConnectionConfig,
        scopes: &[String],
    ) -> Result<tokend_model::ports::AuthorizeUrl, Error> {
        let registration = Registration {
            connector,
            connection_config,
        };
        self.shared
            .ports
            .authorization_server
            .authorize_url(registration, scopes, &self.redirect_uri(connector))
            .map_err(|invalid| Error::invalid("connection_config", invalid.0))
    }

    fn check_return_url(&self, connector: &Connector, return_url: &str) -> Result<(), Error> {
        let wrong = |why: &str| Error::invalid("return_url", why);
        let asked = Url::parse(return_url).map_err(|_| wrong("is not an absolute URL"))?;
        let allowed = connector
            .return_urls
            .iter()
            .chain(&self.shared.options.return_urls);
        if !allowed
            .filter_map(|url| Url::parse(url).ok())
            .any(|allowed| allowed == asked)
        {
            return Err(wrong(
                "is not allowed; an operator lists it in the connector's return URLs or in connect.return_urls",
            ));
        }
        Ok(())
    }

    /// The connector's scopes or the type's reading set, narrowed as asked, with those that make it last.
    fn scopes_to_ask(
        &self,
        connector: &Connector,
        narrower: &[String],
    ) -> Result<Vec<String>, Error> {
        let sets = &self
            .integration_type(&connector.workspace, &connector.integration_type)?
            .scopes;
        let widest = match connector.scopes.is_empty() {
            true => &sets.read,
            false => &connector.scopes,
        };
        if let Some(foreign) = narrower.iter().find(|scope| !widest.contains(scope)) {
            let why = format!("'{foreign}' is not among the connector's scopes");
            return Err(Error::invalid("scopes", why));
        }
        let mut scopes = match narrower.is_empty() {
            true => widest.clone(),
            false => narrower.to_vec(),
        };
        for scope in &sets.offline {
            if !scopes.contains(scope) {
                scopes.push(scope.clone());
            }
        }
        Ok(scopes)
    }
}
