//! A plan as people read it.

use tokend_api::v1::{self, PlannedAction};

use super::{
    plan::{Plan, word},
    stored::{self, AdminClient},
};
use crate::output;

/// How many of those who have to consent again are named for each connector.
const MOST_NAMED: usize = 10;

impl Plan {
    /// Prints what changes to stdout, a line for each connector and integration type.
    pub(super) fn print(&self) -> std::io::Result<()> {
        let types = self.types.iter().map(|planned| {
            let toml = format!("{}.toml", planned.name);
            let what = match planned.replaces_built_in {
                true => format!("{toml}: replaces the built-in"),
                false => toml,
            };
            [word(planned.action), "", &planned.name, &what, ""].map(str::to_owned)
        });
        let connectors = self.answer.changes.iter().map(|change| {
            let connector = change.connector.clone().unwrap_or_default();
            let redirect_uri = self.redirect_uri(&connector).unwrap_or_default().to_owned();
            [
                word(change.action()).to_owned(),
                connector.connector_id,
                connector.integration_type,
                change.changed_fields.join(", "),
                match change.action() {
                    PlannedAction::Delete => String::new(),
                    _ => redirect_uri,
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

    /// Tells on stderr which connectors cannot be deleted yet, because accounts are connected under them.
    pub(super) async fn tell_in_use(&self, admin: &mut AdminClient) -> anyhow::Result<()> {
        for change in &self.answer.changes {
            let Some(connector) = &change.connector else {
                continue;
            };
            if change.action() != PlannedAction::Delete {
                continue;
            }
            let id = &connector.connector_id;
            let count = stored::connections(admin, id).await?.len();
            if count > 0 {
                eprintln!(
                    "{id}: cannot be deleted while it has {count} connection(s): see 'tokend connections list \
                     --connector {id}' and 'tokend connections delete ID'"
                );
            }
        }
        Ok(())
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
    let mut names = Vec::new();
    for connection in stored::connections(admin, &connector.connector_id).await? {
        let lacks = |scope: &String| !connection.scopes.contains(scope);
        if other_client || connector.scopes.iter().any(lacks) {
            if names.len() == MOST_NAMED {
                names.push("...".to_owned());
                break;
            }
            names.push(owner(&connection));
        }
    }
    Ok(names)
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
