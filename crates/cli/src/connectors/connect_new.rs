//! After a push: the shared connectors that nobody is connected under yet, one after the other.

use std::collections::HashMap;

use anyhow::bail;
use tokend_api::v1::{self, GrantType};

use super::{confirm, plan_table::is_usable, stored::AdminClient};
use crate::{connect::authorize, remote::answer};

/// Who is there to consent.
#[derive(Clone, Copy)]
pub(super) struct Connecting {
    /// Somebody sits before a terminal.
    pub(super) on_terminal: bool,
    /// They said yes to everything.
    pub(super) unasked: bool,
}

/// Connects what needs no consent at once, and the others in the browser where somebody is there; else says how. An
/// error at the end where one could not be connected: the push itself is done.
pub(super) async fn connect(
    admin: &mut AdminClient,
    done: &v1::ApplyConnectorsResponse,
    connecting: Connecting,
) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    let waiting = |change: &&v1::PlannedChange| change.needs_authorization && is_usable(change);
    for change in done.changes.iter().filter(waiting) {
        let connector = change.connector.clone().unwrap_or_default();
        let name = connector.integration_type.clone();
        if let Err(error) = connect_one(admin, &connector, connecting).await {
            eprintln!("{name}: {error:#}");
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!(
            "the connectors are pushed, but these could not be connected: {}",
            failed.join(", ")
        );
    }
    Ok(())
}

async fn connect_one(
    admin: &mut AdminClient,
    connector: &v1::Connector,
    connecting: Connecting,
) -> anyhow::Result<()> {
    let name = &connector.integration_type;
    let request = v1::GetIntegrationTypeRequest {
        integration_type: name.clone(),
    };
    let known = answer(admin.get_integration_type(request).await)?;
    let known = known.integration_type.unwrap_or_default();
    let start = v1::StartAuthorizationRequest {
        integration_type: name.clone(),
        ..Default::default()
    };
    match known.grant_type() {
        GrantType::ClientCredentials | GrantType::JwtBearer => {
            let missing = missing(&known, connector).next();
            if let Some(field) = missing {
                eprintln!(
                    "Connect its account with: tokend connect {name} --set {}=...",
                    field.name
                );
                return Ok(());
            }
            answer(admin.start_authorization(start).await)?;
            eprintln!("Connected {name}: it needs nobody's consent.");
        }
        GrantType::Static => {
            eprintln!(
                "Set the credential of {name} with: tokend connections set-credential {name}"
            );
        }
        GrantType::TokenExchange => {
            eprintln!("Connect its account with: tokend connect {name} --subject-token-file FILE");
        }
        _ if !connecting.on_terminal => {
            eprintln!("Connect its account with: tokend connect {name}");
        }
        _ => {
            let question = format!("Connect the shared account of {name} now, in the browser?");
            if !connecting.unasked && !confirm::ask(&question, true)? {
                eprintln!("Connect its account with: tokend connect {name}");
                return Ok(());
            }
            let start = v1::StartAuthorizationRequest {
                connection_config: asked(&known, connector)?,
                ..start
            };
            authorize(admin, start, true).await?;
            eprintln!("Connected {name}.");
        }
    }
    Ok(())
}

/// The values that connecting needs and the connector does not have.
fn missing<'a>(
    known: &'a v1::IntegrationType,
    connector: &'a v1::Connector,
) -> impl Iterator<Item = &'a v1::ConnectionConfigField> {
    known.connection_config_fields.iter().filter(|field| {
        field.required
            && !field.learned
            && field.default_value.is_empty()
            && !connector.connection_config.contains_key(&field.name)
    })
}

fn asked(
    known: &v1::IntegrationType,
    connector: &v1::Connector,
) -> anyhow::Result<HashMap<String, String>> {
    let mut given = HashMap::new();
    for field in missing(known, connector) {
        eprintln!("{}", field.description);
        let example = match field.placeholder.as_str() {
            "" => String::new(),
            placeholder => format!(" (such as {placeholder})"),
        };
        let question = format!("{}{example}", field.display_name);
        match confirm::ask_text(&question)? {
            Some(value) => given.insert(field.name.clone(), value),
            None => bail!("{} is needed", field.name),
        };
    }
    Ok(given)
}
