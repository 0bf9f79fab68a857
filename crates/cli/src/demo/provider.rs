//! The demonstration's provider: the simulator, and the integration types that speak to it.

use std::{io, time::Duration};

use tokend_api::v1;
use tokend_simulator::{Account, Behaviour, Client, Rotation, Simulator, SimulatorOptions};

/// How long the provider's access tokens live: short enough to watch one being renewed.
pub(super) const TOKEN_LIFETIME: Duration = Duration::from_secs(6);

/// The connector that app users connect under.
pub(super) const APP_USER_CONNECTOR: &str = "crm";

/// Starts the provider: short-lived tokens, and refresh tokens that work once.
pub(super) async fn start() -> io::Result<Simulator> {
    Simulator::start(SimulatorOptions {
        behaviour: Behaviour {
            account: Account {
                sub: "acct-1001".to_owned(),
                email: "calendar@acme.test".to_owned(),
                name: "Acme Calendar".to_owned(),
            },
            access_token_lifetime: Some(TOKEN_LIFETIME),
            rotation: Rotation::Strict,
            ..Behaviour::default()
        },
        ..SimulatorOptions::default()
    })
    .await
}

/// What an operator would keep in files: two connectors, and definitions that point to this provider.
pub(super) fn connectors(simulator: &Simulator) -> v1::ApplyConnectorsRequest {
    let connector = |integration_type: &str, kind: v1::ConnectorKind, id: &str, scope: &str| {
        let client = Client::new(format!("tokend-{integration_type}"));
        simulator.register(client.clone());
        v1::Connector {
            integration_type: integration_type.to_owned(),
            connector_id: id.to_owned(),
            kind: kind.into(),
            client_id: client.id,
            client_secret: client.secret,
            scopes: vec![scope.to_owned()],
            ..Default::default()
        }
    };
    let definition = |integration_type: &str, text: String| v1::IntegrationTypeDefinition {
        integration_type: integration_type.to_owned(),
        toml: text,
    };
    v1::ApplyConnectorsRequest {
        connectors: vec![
            connector(
                "googlecalendar",
                v1::ConnectorKind::Shared,
                "",
                "calendar.readonly",
            ),
            connector(
                "democrm",
                v1::ConnectorKind::AppUser,
                APP_USER_CONNECTOR,
                "contacts.read",
            ),
        ],
        integration_types: vec![
            definition("googlecalendar", calendar(simulator.base_url())),
            definition("democrm", crm(simulator.base_url())),
        ],
        ..Default::default()
    }
}

fn calendar(base: &str) -> String {
    format!(
        r#"
[about]
display_name = "Google Calendar (simulated)"
description = "Stands in for Google Calendar: the same name, another provider."
category = "calendar"
documentation_url = "{base}/"
{}
[scopes]
identity = ["openid"]
read = ["calendar.readonly"]
"#,
        endpoints(base)
    )
}

fn crm(base: &str) -> String {
    format!(
        r#"
[about]
display_name = "Demo CRM"
description = "Contacts of one of the provider's tenants."
category = "crm"
documentation_url = "{base}/"
{}
[scopes]
identity = ["openid"]
read = ["contacts.read"]

[[connection_config]]
name = "subdomain"
display_name = "Subdomain"
description = "The first part of your CRM's address."
placeholder = "acme"
required = true
pattern = "[a-z0-9-]+"
pattern_error = "Enter the subdomain alone, such as acme"
"#,
        endpoints(base)
    )
}

fn endpoints(base: &str) -> String {
    format!(
        r#"
[authorize]
url = "{base}/authorize"

[token]
url = "{base}/token"

[refresh]
rotation = "strict"

[revoke]
url = "{base}/revoke"

[identity]
url = "{base}/userinfo"
id = ["/sub"]
email = ["/email"]
name = ["/name"]

[[source]]
url = "{base}/"
date = 2026-11-21
"#
    )
}
