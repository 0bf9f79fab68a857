//! Grants that nobody has to consent to: client credentials, JWT bearer, token exchange. The connector is enough, so
//! that a shared connection of such a grant makes itself when it is first asked for.

use std::{collections::BTreeMap, time::Duration};

use dashmap::DashMap;
use tokend_model::{
    Connection, ConnectionConfig, Connector, ConnectorId, CredentialSource, GrantType, Label,
    Owner, Secret, TokenAnswer, TokenFailure, TokenFailureKind, WorkspaceName, ports::Registration,
};
use tokio::time::Instant;

use crate::{
    ConnectorRef, Error, Target, Vending,
    account_change::AccountRule,
    error::log_token_failure,
    new_connection::{FreshGrant, Unsettled},
    provider_gate::Urgency,
    refresh::{TURN_PATIENCE, closed},
};

/// How long a connector whose grant was refused is left alone by those who only ask for its connection.
const REST: Duration = Duration::from_secs(5);

/// A connection that can be made without anybody.
pub(crate) struct Wanted {
    pub(crate) connector: Connector,
    pub(crate) owner: Owner,
    pub(crate) label: Label,
    pub(crate) scopes: Vec<String>,
    pub(crate) connection_config: ConnectionConfig,
    /// `None` for those it has.
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) subject_token: Option<Secret>,
}

/// Connectors whose grant was refused of late, and why: so that callers who keep asking do not become as many calls.
#[derive(Default)]
pub(crate) struct Refusals(DashMap<(WorkspaceName, ConnectorId), (Instant, Error)>);

impl Refusals {
    fn of(&self, connector: &Connector) -> Option<Error> {
        let key = (connector.workspace.clone(), connector.id.clone());
        let refusal = self.0.get(&key)?;
        let (until, error) = refusal.value();
        (Instant::now() < *until).then(|| error.clone())
    }

    fn note(&self, connector: &Connector, error: &Error) {
        let now = Instant::now();
        self.0.retain(|_, (until, _)| now < *until);
        let key = (connector.workspace.clone(), connector.id.clone());
        self.0.insert(key, (now + REST, error.clone()));
    }

    /// The connector was changed: it may be better now.
    pub(crate) fn forget(&self, workspace: &WorkspaceName, connector_id: &ConnectorId) {
        self.0.remove(&(workspace.clone(), connector_id.clone()));
    }
}

impl Vending {
    /// Gets the token and stores the connection, in a task that outlives the caller.
    pub(crate) async fn obtain(&self, wanted: Wanted) -> Result<Connection, Error> {
        let this = self.clone();
        let task = self
            .shared
            .tasks
            .spawn(async move { this.obtain_now(wanted).await });
        task.await.unwrap_or(Err(Error::Internal))
    }

    /// Connects a shared connector that nobody has connected yet, if nothing but the connector is needed; whether it
    /// did. To be called in a task that outlives its callers, once for all who ask at the same time; replicas that do
    /// so at the same time make one connection with one more generation.
    pub(crate) async fn connect_itself(
        &self,
        connector: &Connector,
        target: &Target,
    ) -> Result<bool, Error> {
        if !matches!(target.connector, ConnectorRef::Shared(_))
            || target.label != Label::default_label()
        {
            return Ok(false);
        }
        let integration_type =
            self.integration_type(&target.workspace, &connector.integration_type)?;
        if !matches!(
            integration_type.grant_type,
            GrantType::ClientCredentials | GrantType::JwtBearer
        ) {
            return Ok(false);
        }
        let catalogue = &self.shared.ports.catalogue;
        let Ok(connection_config) = catalogue.check_connection_config(connector, &BTreeMap::new())
        else {
            return Ok(false);
        };
        if let Some(error) = self.shared.refusals.of(connector) {
            return Err(error);
        }
        let wanted = Wanted {
            connector: connector.clone(),
            owner: Owner::Shared,
            label: Label::default_label(),
            scopes: self.scopes_to_ask(connector, &[])?,
            connection_config,
            tags: None,
            subject_token: None,
        };
        match self.obtain_now(wanted).await {
            Ok(_) => Ok(true),
            Err(error) => {
                self.shared.refusals.note(connector, &error);
                Err(error)
            }
        }
    }

    async fn obtain_now(&self, wanted: Wanted) -> Result<Connection, Error> {
        self.may_call_providers()?;
        let connector = &wanted.connector;
        let present = self
            .shared
            .ports
            .connections
            .locate(
                &connector.workspace,
                &connector.id,
                &wanted.owner,
                &wanted.label,
            )
            .await?;
        let answer = self.obtain_token(&wanted).await?;
        let settled = self
            .settle(FreshGrant {
                connector,
                owner: &wanted.owner,
                label: &wanted.label,
                scopes: &wanted.scopes,
                connection_config: &wanted.connection_config,
                tags: wanted.tags.as_ref(),
                answer: &answer,
                source: CredentialSource::Authorization,
                present: present.as_ref(),
                accounts: AccountRule::Any,
                authorization: None,
            })
            .await;
        // What is not stored now is obtained again: there is nothing to keep it for.
        settled.map_err(|unsettled| match unsettled {
            Unsettled::Refused { error, .. }
            | Unsettled::NotYet(error)
            | Unsettled::Failed(error) => error,
        })
    }

    async fn obtain_token(&self, wanted: &Wanted) -> Result<TokenAnswer, Error> {
        let connector = &wanted.connector;
        let registration = Registration {
            connector,
            connection_config: &wanted.connection_config,
            token: "",
        };
        let client = self.client(registration).await;
        let catalogue = &self.shared.ports.catalogue;
        let facts = catalogue.refresh_facts(&connector.workspace, &connector.integration_type);
        let gate = &self.shared.gate;
        let pass = gate
            .enter(&client, &facts, Urgency::Asked, TURN_PATIENCE)
            .await
            .map_err(closed)?;
        let server = &self.shared.ports.authorization_server;
        let obtained = server
            .obtain(registration, wanted.subject_token.as_ref(), &wanted.scopes)
            .await;
        let failure = match obtained {
            Ok(answer) => {
                pass.answered();
                return Ok(answer);
            }
            Err(failure) => failure,
        };
        log_token_failure("obtain", connector.id.as_str(), &failure);
        match failure.kind {
            TokenFailureKind::RateLimited => {
                if let Some(pause) = failure.retry_after {
                    gate.pause(&client, pause);
                }
                pass.answered();
            }
            TokenFailureKind::NotSent
            | TokenFailureKind::Ambiguous
            | TokenFailureKind::ClientRejected => pass.unanswered(),
            _ => pass.answered(),
        }
        Err(self.not_obtained(connector, &failure))
    }

    fn not_obtained(&self, connector: &Connector, failure: &TokenFailure) -> Error {
        let why = match failure.kind {
            TokenFailureKind::GrantRejected => {
                "the provider refused the grant, or the token to be exchanged"
            }
            TokenFailureKind::RequestRejected => {
                "the provider refused the request for what it asks, such as its scopes"
            }
            _ => return self.call_failed(connector, failure),
        };
        Error::AuthorizationFailed {
            why: format!("{why}; connector '{}' may need correcting", connector.id),
        }
    }
}
