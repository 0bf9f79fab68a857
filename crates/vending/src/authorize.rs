//! Starting to connect: what can be wrong with the wish is told now, and then the grant's own way begins.

use std::collections::BTreeMap;

use tokend_model::{
    Authorization, AuthorizationId, AuthorizationState, Connection, ConnectionConfig, ConnectionId,
    ConnectionStatus, Connector, GrantType, IntegrationType, Label, Owner, Secret, WorkspaceName,
    ports::DeviceAuthorization,
};
use url::Url;
use uuid::Uuid;

use crate::{
    ConnectLink, ConnectorRef, Error, Vending, obtain::Wanted, one_time, tags::check_tags,
};

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
    /// The tags it will have; empty for those it has.
    pub tags: BTreeMap<String, String>,
    /// Where the browser goes afterwards; must be allowed by the connector or the configuration.
    pub return_url: Option<String>,
    /// Consent anew although there is a connection.
    pub reconnect: bool,
    /// Whether a code is shown to a person instead of a browser being opened (RFC 8628).
    pub device: bool,
    /// The token to be exchanged (RFC 8693).
    pub subject_token: Option<Secret>,
    /// Whether an operator or control plane starts, who keeps the completion token instead of getting it on the return
    /// URL, and may use grants that speak for the organisation.
    pub by_operator: bool,
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
    /// An attempt is open, and a person has to enter a code.
    Device {
        /// The attempt.
        authorization: Box<Authorization>,
        /// For whoever started: to ask with whether the person has consented.
        completion_token: Secret,
        /// What to show to the person.
        device: Box<DeviceAuthorization>,
    },
    /// Nobody had to consent.
    Connected(Box<Connection>),
    /// The owner has such a connection, and consenting anew was not asked for.
    AlreadyConnected(ConnectionId),
}

impl Vending {
    /// Opens an attempt to connect, or connects at once where nobody has to consent. Everything that can be wrong with
    /// it is told now, not to the browser later.
    pub async fn start_authorization(
        &self,
        start: &StartAuthorization,
    ) -> Result<StartedAuthorization, Error> {
        let ports = &self.shared.ports;
        let connector = self.connector(&start.workspace, &start.connector).await?;
        let integration_type =
            self.integration_type(&start.workspace, &connector.integration_type)?;
        check_grant(start, &integration_type)?;
        check_tags(&start.tags)?;
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
        if !integration_type.grant_type.needs_consent() {
            let wanted = Wanted {
                connector,
                owner: start.owner.clone(),
                label: start.label.clone(),
                scopes,
                connection_config,
                tags: (!start.tags.is_empty()).then(|| start.tags.clone()),
                subject_token: start.subject_token.clone(),
            };
            let connection = self.obtain(wanted).await?;
            return Ok(StartedAuthorization::Connected(Box::new(connection)));
        }
        let authorization = self.attempt_to_connect(start, &connector, scopes, connection_config);
        match start.device {
            true => self.start_device(&connector, authorization).await,
            false => {
                self.start_in_browser(start, &connector, authorization)
                    .await
            }
        }
    }

    async fn start_in_browser(
        &self,
        start: &StartAuthorization,
        connector: &Connector,
        authorization: Authorization,
    ) -> Result<StartedAuthorization, Error> {
        let config = &authorization.connection_config;
        self.authorize_url(connector, config, &authorization.scopes)
            .await?;
        let (ticket, ticket_hash) = one_time::generate()?;
        let (completion_token, completion_hash) = match start.by_operator {
            true => one_time::generate().map(|(token, hash)| (Some(token), Some(hash)))?,
            false => (None, None),
        };
        self.shared
            .ports
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

    fn attempt_to_connect(
        &self,
        start: &StartAuthorization,
        connector: &Connector,
        scopes: Vec<String>,
        connection_config: ConnectionConfig,
    ) -> Authorization {
        let now = self.shared.ports.clock.now();
        Authorization {
            workspace: start.workspace.clone(),
            id: AuthorizationId::from_uuid(Uuid::now_v7()),
            connector_id: connector.id.clone(),
            owner: start.owner.clone(),
            label: start.label.clone(),
            scopes,
            connection_config,
            tags: start.tags.clone(),
            return_url: start.return_url.clone(),
            state: AuthorizationState::Started,
            failure_reason: String::new(),
            connection_id: None,
            create_time: now,
            expire_time: now + self.shared.options.authorization_time_to_live,
        }
    }

    /// A link for an app user whose consent is missing, for an error that says so; `None` where no browser leads to a
    /// connection.
    pub async fn connect_link(
        &self,
        start: &StartAuthorization,
    ) -> Result<Option<ConnectLink>, Error> {
        let connector = self.connector(&start.workspace, &start.connector).await?;
        let integration_type =
            self.integration_type(&start.workspace, &connector.integration_type)?;
        if !integration_type.grant_type.needs_consent() {
            return Ok(None);
        }
        match self.start_authorization(start).await? {
            StartedAuthorization::Open {
                authorization,
                redirect_url,
                ..
            } => Ok(Some(ConnectLink {
                redirect_url,
                authorization_id: authorization.id.to_string(),
            })),
            _ => Ok(None),
        }
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

    /// The connector's scopes, or the type's for reading and for telling whose account it is; narrowed as asked, with
    /// those that make it last.
    pub(crate) fn scopes_to_ask(
        &self,
        connector: &Connector,
        narrower: &[String],
    ) -> Result<Vec<String>, Error> {
        let sets = &self
            .integration_type(&connector.workspace, &connector.integration_type)?
            .scopes;
        let mut suggested = sets.identity.clone();
        suggested.extend(
            sets.read
                .iter()
                .filter(|scope| !sets.identity.contains(scope))
                .cloned(),
        );
        let widest = match connector.scopes.is_empty() {
            true => &suggested,
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

/// Whether whoever starts may connect in this way. App users consent themselves: the other grants speak for the
/// organisation's own client, so that only an operator may use them.
fn check_grant(
    start: &StartAuthorization,
    integration_type: &IntegrationType,
) -> Result<(), Error> {
    let name = &integration_type.name;
    let field = match start.connector {
        ConnectorRef::Shared(_) => "integration_type",
        ConnectorRef::AppUser(_) => "connector_id",
    };
    let grant_type = integration_type.grant_type;
    match grant_type {
        GrantType::AuthorizationCode => {}
        GrantType::Static => {
            let why = format!(
                "is of '{name}', to which nobody consents: an operator sets its credential with SetStaticCredential \
                 ('tokend connections set-credential')"
            );
            return Err(Error::invalid(field, why));
        }
        _ if start.by_operator => {}
        _ => {
            let why = format!(
                "is of '{name}', to which no user consents: an operator connects it with StartAuthorization"
            );
            return Err(Error::invalid(field, why));
        }
    }
    if start.device && !integration_type.device_authorization {
        let why = format!("is not possible: '{name}' has no device authorization (RFC 8628)");
        return Err(Error::invalid("device", why));
    }
    match (grant_type == GrantType::TokenExchange, &start.subject_token) {
        (true, None) => Err(Error::invalid(
            "subject_token",
            format!("is missing; '{name}' exchanges it for its own (RFC 8693)"),
        )),
        (false, Some(_)) => Err(Error::invalid(
            "subject_token",
            format!("goes with a token exchange only, and '{name}' has another grant"),
        )),
        _ => Ok(()),
    }
}
