//! The tokens that come with a connection's main one: asking for one by name, and what each is to have.

use tokend_model::{
    Connection, ConnectionFilter, ConnectionId, ConnectionStatus, Connector, ConnectorId, Label,
    Owner, Timestamp, TokenAnswer, WorkspaceName, ports::NewSibling,
};
use uuid::Uuid;

use crate::{Error, Target, Vending};

impl Vending {
    /// Whether the token's name may be looked up in memory. A grant that has yet to prove good is there too, under a name
    /// that no integration type has.
    pub(crate) async fn is_askable(&self, target: &Target) -> Result<(), Error> {
        if !Connection::is_staged(&target.token) {
            return Ok(());
        }
        let connector = self.connector(&target.workspace, &target.connector).await?;
        self.check_token(&connector, &target.token)
    }

    /// Whether the connector's integration type has a token of that name.
    pub(crate) fn check_token(&self, connector: &Connector, token: &str) -> Result<(), Error> {
        if token.is_empty() {
            return Ok(());
        }
        let integration_type =
            self.integration_type(&connector.workspace, &connector.integration_type)?;
        let kinds = &integration_type.other_tokens;
        let names: Vec<_> = kinds.iter().map(|kind| kind.name.as_str()).collect();
        if names.contains(&token) {
            return Ok(());
        }
        let name = &integration_type.name;
        Err(Error::invalid(
            "token",
            match names.is_empty() {
                true => {
                    format!("is none of '{name}', which has its main token only: leave it empty")
                }
                false => format!(
                    "is none of '{name}', which has, beside its main one: {}",
                    names.join(", ")
                ),
            },
        ))
    }

    /// Whether the connection that is asked for is there, only without that token.
    pub(crate) async fn lacks_token(
        &self,
        connector: &Connector,
        target: &Target,
    ) -> Result<bool, Error> {
        if target.token.is_empty() {
            return Ok(false);
        }
        let connections = &self.shared.ports.connections;
        let main = connections
            .locate(
                &target.workspace,
                &connector.id,
                &target.owner,
                &target.label,
            )
            .await?;
        Ok(main.is_some_and(|main| main.status != ConnectionStatus::Revoked))
    }

    /// The scopes that the connector asks for and that are this connection's token's.
    pub fn wanted_scopes(&self, connection: &Connection, connector: &Connector) -> Vec<String> {
        let token = connection.token_kind();
        match self.integration_type(&connector.workspace, &connector.integration_type) {
            Ok(known) => known.scopes_of(token, &connector.scopes),
            // A type that another replica was told of, and this one not yet.
            Err(_) if token.is_empty() => connector.scopes.clone(),
            Err(_) => Vec::new(),
        }
    }

    /// The connections of one consent: of one owner and label under a connector, one for each token.
    pub(crate) async fn consent_of(
        &self,
        workspace: &WorkspaceName,
        connector_id: &ConnectorId,
        owner: &Owner,
        label: &Label,
    ) -> Result<Vec<Connection>, Error> {
        let filter = ConnectionFilter {
            connector_id: Some(connector_id.clone()),
            owner: Some(owner.clone()),
            label: Some(label.clone()),
            ..ConnectionFilter::default()
        };
        let mut found = self.all_connections(workspace, &filter).await?;
        found.retain(|connection| !Connection::is_staged(&connection.token));
        Ok(found)
    }

    /// The tokens that came with a connection's own, to be stored beside it.
    pub(crate) fn new_siblings(
        &self,
        connector: &Connector,
        answer: &TokenAnswer,
        asked: &[String],
        now: Timestamp,
    ) -> Vec<NewSibling> {
        let catalogue = &self.shared.ports.catalogue;
        let facts = catalogue.refresh_facts(&connector.workspace, &connector.integration_type);
        let others = answer.others.iter();
        others
            .map(|(token, answer)| NewSibling {
                id: ConnectionId::from_uuid(Uuid::now_v7()),
                token: token.clone(),
                answer: answer.clone(),
                scopes: self.granted_scopes(connector, token, answer, asked),
                renewal_time: answer
                    .refresh_token
                    .as_ref()
                    .map(|_| self.renewal_time_after(answer, &facts, now)),
            })
            .collect()
    }

    /// The scopes of a token: what the provider says, or else what was asked for it (RFC 6749 section 5.1).
    pub(crate) fn granted_scopes(
        &self,
        connector: &Connector,
        token: &str,
        answer: &TokenAnswer,
        asked: &[String],
    ) -> Vec<String> {
        let known = self.integration_type(&connector.workspace, &connector.integration_type);
        match (&answer.scopes, known) {
            (Some(told), _) => told.clone(),
            (None, Ok(known)) => known.scopes_of(token, asked),
            (None, Err(_)) => asked.to_vec(),
        }
    }

    /// Forgets what is remembered of a connection's other tokens.
    pub(crate) fn forget_siblings(&self, main: &Connection) {
        let known = self.integration_type(&main.workspace, &main.integration_type);
        for kind in known.iter().flat_map(|known| &known.other_tokens) {
            let beside = Connection {
                token: kind.name.clone(),
                ..main.clone()
            };
            self.shared.cache.remove(&self.cache_key_of(&beside));
        }
    }

    /// Asks with each of the other tokens whose account it is: a person's, say, where the main one is a bot's.
    pub(crate) async fn learn_accounts_beside(
        &self,
        main: &Connection,
        connector: &Connector,
        answer: &TokenAnswer,
    ) {
        if answer.others.is_empty() {
            return;
        }
        let whole = self.consent_of(&main.workspace, &main.connector_id, &main.owner, &main.label).await.unwrap_or_else(|error| {
            tracing::warn!(id = %main.id, %error, "whose accounts its other tokens are is not asked");
            Vec::new()
        });
        for mut sibling in whole {
            if let Some(other) = answer.others.get(&sibling.token) {
                self.learn_account(&mut sibling, connector, &other.access_token)
                    .await;
            }
        }
    }
}
