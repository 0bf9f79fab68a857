//! An authorization as a row, and a row as an authorization.

use tokend_model::{
    Authorization, AuthorizationId, AuthorizationState, ConnectionId, ConnectorId, Label,
    WorkspaceName, ports::StorageError,
};

use crate::{
    columns::{list, list_text, map, map_text, name, owner, owner_columns, time},
    entities::authorization::Model,
    faults::corrupt,
};

impl Model {
    /// Reads everything but what is hashed or sealed.
    pub(crate) fn read(self) -> Result<Authorization, StorageError> {
        Ok(Authorization {
            workspace: name(
                "authorizations.workspace",
                self.workspace,
                WorkspaceName::new,
            )?,
            id: name("authorizations.id", self.id, AuthorizationId::new)?,
            connector_id: name(
                "authorizations.connector_id",
                self.connector_id,
                ConnectorId::new,
            )?,
            owner: owner("authorizations.owner", &self.owner_kind, self.owner_user)?,
            label: name("authorizations.label", self.label, Label::new)?,
            scopes: list("authorizations.scopes", &self.scopes)?,
            connection_config: map("authorizations.connection_config", &self.connection_config)?,
            tags: map("authorizations.tags", &self.tags)?,
            return_url: self.return_url,
            state: AuthorizationState::parse(&self.state)
                .ok_or_else(|| corrupt("authorizations.state", "it is no state"))?,
            failure_reason: self.failure_reason,
            connection_id: self
                .connection_id
                .map(|id| name("authorizations.connection_id", id, ConnectionId::new))
                .transpose()?,
            create_time: time("authorizations.create_time", self.create_time)?,
            expire_time: time("authorizations.expire_time", self.expire_time)?,
        })
    }

    /// Makes the row of a new attempt.
    pub(crate) fn write(
        authorization: &Authorization,
        ticket_hash: &[u8],
        completion_hash: Option<&[u8]>,
    ) -> Self {
        let (owner_kind, owner_user) = owner_columns(&authorization.owner);
        Self {
            id: authorization.id.as_str().to_owned(),
            workspace: authorization.workspace.as_str().to_owned(),
            connector_id: authorization.connector_id.as_str().to_owned(),
            owner_kind: owner_kind.to_owned(),
            owner_user: owner_user.to_owned(),
            label: authorization.label.as_str().to_owned(),
            scopes: list_text(&authorization.scopes),
            connection_config: map_text(&authorization.connection_config),
            tags: map_text(&authorization.tags),
            return_url: authorization.return_url.clone(),
            state: authorization.state.as_str().to_owned(),
            failure_reason: authorization.failure_reason.clone(),
            connection_id: authorization
                .connection_id
                .as_ref()
                .map(|id| id.as_str().to_owned()),
            create_time: authorization.create_time.timestamp_millis(),
            expire_time: authorization.expire_time.timestamp_millis(),
            ticket_hash: ticket_hash.to_vec(),
            completion_hash: completion_hash.map(<[u8]>::to_vec),
            state_hash: None,
            browser_hash: None,
            redirect_uri: None,
            pkce_verifier: None,
            code: None,
            answer: None,
            poll_interval: None,
            poll_time: None,
        }
    }
}
