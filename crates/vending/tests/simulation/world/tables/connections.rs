//! Connections: found, made, made anew, ended.

use std::collections::BTreeMap;

use tokend_model::{
    Connection, ConnectionId, ConnectionStatus, ConnectionUse, ConnectorId, Credential, Generation,
    Label, Owner, RefreshHealth, Timestamp, WorkspaceName,
    ports::{Ended, Imported, KeptGeneration, NewConnection},
};

use super::{Row, Tables};

/// A connection with its present credential.
type Found = (Connection, Option<Credential>);

impl Tables {
    pub(crate) fn get(&self, workspace: &WorkspaceName, id: &ConnectionId) -> Option<Found> {
        let row = self.row(workspace, id)?;
        Some((row.connection.clone(), row.present().cloned()))
    }

    pub(crate) fn find(
        &self,
        workspace: &WorkspaceName,
        connector_id: &ConnectorId,
        owner: &Owner,
        label: &Label,
    ) -> Option<Found> {
        let row = self.rows.values().find(|row| {
            let connection = &row.connection;
            connection.workspace == *workspace
                && connection.connector_id == *connector_id
                && connection.owner == *owner
                && connection.label == *label
        })?;
        Some((row.connection.clone(), row.present().cloned()))
    }

    pub(crate) fn generations(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Vec<KeptGeneration> {
        let row = self.row(workspace, id);
        let kept = row.map(|row| row.credentials.values().rev());
        kept.into_iter()
            .flatten()
            .map(|credential| KeptGeneration {
                generation: credential.generation,
                source: None,
                receive_time: credential.receive_time,
                expiry: credential.expiry,
                refresh_expire_time: credential.refresh_expire_time,
                renewable: credential.refresh_token.is_some(),
                key_id: String::new(),
            })
            .collect()
    }

    pub(crate) fn connect(&mut self, new: &NewConnection, now: Timestamp) -> Connection {
        let existing = self.find(&new.workspace, &new.connector_id, &new.owner, &new.label);
        let (existing, present) = match existing {
            Some((connection, present)) => (Some(connection), present),
            None => (None, None),
        };
        let connection = new_connection(new, existing.as_ref(), now);
        let id = connection.id.clone();
        let answer = &new.answer;
        let kept = present.filter(|_| new.keep_refresh_token && answer.refresh_token.is_none());
        let (refresh_token, refresh_expire_time) = match kept {
            Some(kept) => (kept.refresh_token, kept.refresh_expire_time),
            None => (answer.refresh_token.clone(), answer.refresh_expire_time),
        };
        let credential = Credential {
            generation: connection.generation,
            access_token: answer.access_token.clone(),
            token_type: answer.token_type.clone(),
            refresh_token,
            expiry: answer.expiry,
            refresh_expire_time,
            scopes: new.scopes.clone(),
            receive_time: answer.receive_time,
        };
        // Attempts on the grant before are fenced off; what they bring is not this grant's.
        let mut row = Row {
            connection: connection.clone(),
            consented: credential.generation,
            credentials: BTreeMap::from([(credential.generation, credential)]),
            claim: self.rows.remove(&id).and_then(|row| row.claim),
            orphans: Vec::new(),
        };
        row.close_claims();
        self.rows.insert(id.clone(), row);
        if existing.is_some() {
            self.note_change(&new.workspace, &id, now);
        }
        connection
    }

    pub(crate) fn import(&mut self, new: &NewConnection, now: Timestamp) -> Imported {
        let existing = self.find(&new.workspace, &new.connector_id, &new.owner, &new.label);
        match existing {
            Some((connection, Some(present))) if self.holds(&connection, &present, new) => {
                Imported::Held(connection)
            }
            _ => Imported::Stored(self.connect(new, now)),
        }
    }

    fn holds(&self, connection: &Connection, present: &Credential, new: &NewConnection) -> bool {
        let given = &new.answer.refresh_token;
        let status = connection.status;
        let lives = matches!(
            status,
            ConnectionStatus::Authorized | ConnectionStatus::Expired
        );
        let (workspace, id) = (&connection.workspace, &connection.id);
        let redeemed = || {
            let previous = self.previous_credential(workspace, id, present.generation);
            previous.is_some_and(|previous| previous.refresh_token == *given)
        };
        given.is_some() && (present.refresh_token == *given || lives && redeemed())
    }

    pub(crate) fn delete(
        &mut self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        now: Timestamp,
    ) -> Ended {
        let Some(found) = self.get(workspace, id) else {
            return Ended::new();
        };
        self.rows.remove(id);
        self.note_change(workspace, id, now);
        vec![found]
    }

    pub(crate) fn revoke(
        &mut self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        reason: &str,
        now: Timestamp,
    ) -> Ended {
        let Some(row) = self.row_mut(workspace, id) else {
            return Ended::new();
        };
        row.connection.status = ConnectionStatus::Revoked;
        row.connection.status_reason = reason.to_owned();
        row.connection.renewal_time = None;
        let found = (row.connection.clone(), row.present().cloned());
        row.credentials.clear();
        row.orphans.clear();
        row.close_claims();
        self.note_change(workspace, id, now);
        vec![found]
    }

    pub(crate) fn record_uses(&mut self, uses: &[ConnectionUse]) {
        for used in uses {
            if let Some(row) = self.row_mut(&used.workspace, &used.connection_id) {
                row.connection.use_count += used.count;
                row.connection.last_use_time =
                    row.connection.last_use_time.max(Some(used.last_use_time));
            }
        }
    }
}

fn new_connection(
    new: &NewConnection,
    existing: Option<&Connection>,
    now: Timestamp,
) -> Connection {
    let answer = &new.answer;
    Connection {
        workspace: new.workspace.clone(),
        id: existing.map_or(&new.id, |there| &there.id).clone(),
        connector_id: new.connector_id.clone(),
        integration_type: new.integration_type.clone(),
        owner: new.owner.clone(),
        label: new.label.clone(),
        token: String::new(),
        tags: match (&new.tags, existing) {
            (Some(given), _) => given.clone(),
            (None, there) => there.map(|there| there.tags.clone()).unwrap_or_default(),
        },
        status: ConnectionStatus::Authorized,
        status_reason: String::new(),
        account: new.account.clone(),
        connection_config: new.connection_config.clone(),
        scopes: new.scopes.clone(),
        generation: existing.map_or(Generation::FIRST, |there| there.generation.next()),
        expiry: answer.expiry,
        refresh_health: RefreshHealth::default(),
        renewal_time: new.renewal_time,
        create_time: existing.map_or(now, |there| there.create_time),
        authorize_time: now,
        refresh_time: answer.receive_time,
        last_use_time: existing.and_then(|there| there.last_use_time),
        use_count: existing.map_or(0, |there| there.use_count),
    }
}
