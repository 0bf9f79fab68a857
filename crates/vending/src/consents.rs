//! Who has to consent again when a connector asks for more.

use std::collections::{HashMap, HashSet};

use tokend_model::{Connection, ConnectionFilter, ConnectionStatus, Connector, ports::Page};

use crate::{Error, Vending};

const PAGE: u64 = 1000;

impl Vending {
    /// Counts the consents that do not cover what the connector will ask for, with one or another of their tokens.
    pub(crate) async fn needing_consent(
        &self,
        old: &Connector,
        new: &Connector,
    ) -> Result<u32, Error> {
        let other_client = old.client_id != new.client_id;
        if !other_client && new.scopes.iter().all(|scope| old.scopes.contains(scope)) {
            return Ok(0);
        }
        let wanted = self.wanted_by_token(old, new);
        let filter = ConnectionFilter {
            connector_id: Some(new.id.clone()),
            ..ConnectionFilter::default()
        };
        let mut covered = HashMap::new();
        let mut after = None;
        loop {
            let page = Page { after, limit: PAGE };
            let part = self.connections(&new.workspace, &filter, &page).await?;
            let Some(last) = part.last() else { break };
            after = Some(last.id.to_string());
            for connection in part.iter().filter(|it| !Connection::is_staged(&it.token)) {
                let consent = (connection.owner.clone(), connection.label.clone());
                let tokens: &mut HashSet<String> = covered.entry(consent).or_default();
                if covers(connection, &wanted) {
                    tokens.insert(connection.token.clone());
                }
            }
        }
        let lacking = covered
            .values()
            .filter(|tokens| other_client || wanted.keys().any(|token| !tokens.contains(token)))
            .count();
        Ok(u32::try_from(lacking).unwrap_or(u32::MAX))
    }

    /// The scopes that the connector will ask for, by the token they are of.
    fn wanted_by_token(&self, old: &Connector, new: &Connector) -> HashMap<String, Vec<String>> {
        let Ok(known) = self.integration_type(&old.workspace, &old.integration_type) else {
            return HashMap::from([(String::new(), new.scopes.clone())]);
        };
        let others = known.other_tokens.iter().map(|kind| kind.name.clone());
        [String::new()]
            .into_iter()
            .chain(others)
            .map(|token| (token.clone(), known.scopes_of(&token, &new.scopes)))
            .filter(|(_, scopes)| !scopes.is_empty())
            .collect()
    }
}

fn covers(connection: &Connection, wanted: &HashMap<String, Vec<String>>) -> bool {
    let gone = connection.status == ConnectionStatus::Revoked && !connection.token.is_empty();
    let scopes = wanted.get(&connection.token);
    !gone && scopes.is_some_and(|wanted| wanted.iter().all(|it| connection.scopes.contains(it)))
}
