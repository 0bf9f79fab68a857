//! A plan as people read it.

use tokend_api::v1::{self, PlannedAction};

use super::{
    plan::{Plan, word},
    stored::AdminClient,
};
use crate::{output, remote::answer};

/// How many of those who have to consent again are named for each connector.
const MOST_NAMED: usize = 10;

impl Plan {
    /// Prints what changes to stdout, a line for each connector and integration type.
    pub(super) fn print(&self) -> std::io::Result<()> {
        let types = self.types.iter().map(|planned| {
            let toml = format!("{}.toml", planned.name);
            [word(planned.action), "", &planned.name, &toml, ""].map(str::to_owned)
        });
        let connectors = self.answer.changes.iter().map(|change| {
            let connector = change.connector.clone().unwrap_or_default();
            [
                word(change.action()).to_owned(),
                connector.connector_id,
                connector.integration_type,
                change.changed_fields.join(", "),
                match change.action() {
                    PlannedAction::Delete => String::new(),
                    _ => connector.redirect_uri,
                },
            ]
        });
        output::table(
            [
                "ACTION",
                "CONNECTOR",
                "TYPE",
                "CHANGED",
                "REDIRECT URI TO REGISTER",
            ],
            connectors.chain(types),
        )
    }

    /// Tells on stderr who has to consent again once it is done: before it is, the server can tell.
    pub(super) async fn tell_consents(&self, admin: &mut AdminClient) -> anyhow::Result<()> {
        for change in &self.answer.changes {
            let count = change.connections_needing_consent;
            let Some(connector) = change.connector.as_ref().filter(|_| count > 0) else {
                continue;
            };
            let names = needing_consent(admin, change, connector).await?;
            eprintln!(
                "{}: {count} connection(s) will need their users' consent again: {}",
                connector.connector_id,
                names.join(", ")
            );
        }
        Ok(())
    }
}

/// The owners of the connections whose grants do not cover what the connector will ask for, as far as they are named.
async fn needing_consent(
    admin: &mut AdminClient,
    change: &v1::PlannedChange,
    connector: &v1::Connector,
) -> Result<Vec<String>, tokend_client::Error> {
    let other_client = change
        .changed_fields
        .iter()
        .any(|field| field == "client_id");
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListConnectionsRequest {
            connector_id: connector.connector_id.clone(),
            page_size: 1000,
            page_token,
            ..Default::default()
        };
        let page = answer(admin.list_connections(request).await)?;
        for connection in &page.connections {
            let lacks = |scope: &String| !connection.scopes.contains(scope);
            if other_client || connector.scopes.iter().any(lacks) {
                if names.len() == MOST_NAMED {
                    names.push("...".to_owned());
                    return Ok(names);
                }
                names.push(owner(connection));
            }
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(names);
        }
    }
}

/// Whose connection it is, with the account where it is known.
fn owner(connection: &v1::Connection) -> String {
    let owner = match connection.app_user_id.as_str() {
        "" => "the shared account",
        user => user,
    };
    let account = connection.account.clone().unwrap_or_default();
    let known = [account.email, account.name, account.id];
    match known.into_iter().find(|text| !text.is_empty()) {
        Some(account) => format!("{owner} ({account})"),
        None => owner.to_owned(),
    }
}

/// Whether a change leaves a connector that accounts can be connected under.
pub(super) fn is_usable(change: &v1::PlannedChange) -> bool {
    let disabled = change.connector.as_ref().is_none_or(|one| one.disabled);
    change.action() != PlannedAction::Delete && !disabled
}
