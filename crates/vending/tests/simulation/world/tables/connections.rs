//! Connections: found, made, made anew, ended.

use std::collections::BTreeMap;

use tokend_model::{
    Connection, ConnectionId, ConnectionStatus, ConnectionUse, ConnectorId, Credential, Generation,
    Label, Owner, RefreshHealth, Timestamp, WorkspaceName,
    ports::{KeptGeneration, NewConnection},
};

use super::{Row, Tables};

/// A connection with its present credential.
type Found = (Connection, Option<Credential>);

impl Tables {
    pub(crate) fn get(&self, workspace: &WorkspaceName, id: &ConnectionId) -> Option<Found> {
        let row = self.row(workspace, id)?;
        Some((row.connection.clone(), row.present.clone()))
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
        Some((row.connection.clone(), row.present.clone()))
    }

    pub(crate) fn generations(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Vec<KeptGeneration> {
        let row = self.row(workspace, id);
        let kept = row
            .into_iter()
            .flat_map(|row| [&row.present, &row.previous]);
        kept.flatten()
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
        let existing = self
            .find(&new.workspace, &new.connector_id, &new.owner, &new.label)
            .map(|(connection, _)| connection);
        let id = existing.as_ref().map_or(&new.id, |there| &there.id).clone();
        let before = self.rows.remove(&id);
        let old_refresh_token = before
            .as_ref()
            .filter(|_| new.keep_refresh_token)
            .and_then(|row| row.present.as_ref()?.refresh_token.clone());
        let generation = existing
            .as_ref()
            .map_or(Generation::FIRST, |there| there.generation.next());
        let answer = &new.answer;
        let connection = Connection {
            workspace: new.workspace.clone(),
            id: id.clone(),
            connector_id: new.connector_id.clone(),
            integration_type: new.integration_type.clone(),
            owner: new.owner.clone(),
            label: new.label.clone(),
            status: ConnectionStatus::Authorized,
            status_reason: String::new(),
            account: new.account.clone(),
            connection_config: new.connection_config.clone(),
            scopes: new.scopes.clone(),
            generation,
            expiry: answer.expiry,
            refresh_health: RefreshHealth::default(),
            renewal_time: new.renewal_time,
            create_time: existing.as_ref().map_or(now, |there| there.create_time),
            authorize_time: now,
            refresh_time: answer.receive_time,
            last_use_time: existing.as_ref().and_then(|there| there.last_use_time),
            use_count: existing.as_ref().map_or(0, |there| there.use_count),
        };
        let present = Credential {
            generation,
            access_token: answer.access_token.clone(),
            token_type: answer.token_type.clone(),
            refresh_token: answer.refresh_token.clone().or(old_refresh_token),
            expiry: answer.expiry,
            refresh_expire_time: answer.refresh_expire_time,
            scopes: new.scopes.clone(),
            receive_time: answer.receive_time,
        };
        // Attempts on the grant before are fenced off; what they bring is not this grant's.
        let claim = before.and_then(|row| row.claim).map(|mut claim| {
            claim.open = false;
            claim
        });
        let row = Row {
            connection: connection.clone(),
            present: Some(present),
            previous: None,
            claim,
            orphans: Vec::new(),
            outcomes: BTreeMap::new(),
        };
        self.rows.insert(id.clone(), row);
        self.note_change(&new.workspace, &id, now);
        connection
    }

    pub(crate) fn delete(
        &mut self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        now: Timestamp,
    ) -> Option<Found> {
        let found = self.get(workspace, id)?;
        self.rows.remove(id);
        self.note_change(workspace, id, now);
        Some(found)
    }

    pub(crate) fn revoke(
        &mut self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
        reason: &str,
        now: Timestamp,
    ) -> Option<Found> {
        let row = self.row_mut(workspace, id)?;
        row.connection.status = ConnectionStatus::Revoked;
        row.connection.status_reason = reason.to_owned();
        row.connection.renewal_time = None;
        let found = (row.connection.clone(), row.present.take());
        row.previous = None;
        row.orphans.clear();
        if let Some(claim) = &mut row.claim {
            claim.open = false;
        }
        self.note_change(workspace, id, now);
        Some(found)
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
