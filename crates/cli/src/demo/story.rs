//! What the demonstration does, step by step, and says while it does it.

use std::{collections::HashMap, io, time::Duration};

use anyhow::{Context, ensure};
use prost_types::Duration as ProtoDuration;
use tokend_api::v1;
use tokend_client::Client;
use tokend_server::Server;
use tokend_simulator::{Account, Browser, Simulator};

use super::{AUDIENCE, provider};
use crate::{output, remote::answer};

/// The app user of the demonstration.
const USER: &str = "alice";

/// Connects a shared account and an app user's, vends both tokens, and renews one.
pub(super) async fn tell(server: &Server, simulator: &Simulator) -> anyhow::Result<()> {
    let endpoint = format!("http://{}", server.grpc_address());
    output::line(&format!(
        "tokend serves gRPC on {}, browsers on {}.",
        server.grpc_address(),
        server.public_url()
    ))?;
    output::line(&format!(
        "A small OAuth provider stands in for the real ones on {}.\n",
        simulator.base_url()
    ))?;
    let client = Client::builder(endpoint)
        .timeout(Duration::from_secs(60))
        .connect()
        .await?;

    output::line(
        "1. An operator pushes two connectors: googlecalendar (shared) and crm (one account per app user).",
    )?;
    let apply = provider::connectors(simulator);
    answer(client.admin().apply_connectors(apply).await)?;

    output::line(
        "2. The organisation's calendar account is connected; the consent clicks itself.",
    )?;
    connect_shared(&client).await?;
    let first = get_calendar(&client).await?;
    output::line("   GetConnection(\"googlecalendar\") answers:\n")?;
    print_vended(&first)?;
    call_api(simulator, &first).await?;

    output::line(&format!(
        "3. The app user {USER} connects a CRM account of her own."
    ))?;
    let user_token = simulator.app_user_token(USER, AUDIENCE, Duration::from_secs(600));
    let hers = connect_user(&client, simulator, &user_token).await?;
    output::line(&format!(
        "   GetCurrentAppUserConnection(\"{}\") answers, with her JWT:\n",
        provider::APP_USER_CONNECTOR
    ))?;
    print_vended(&hers)?;

    let lifetime = provider::TOKEN_LIFETIME.as_secs();
    output::line(&format!(
        "4. The calendar token lives {lifetime} s. tokend renews it as soon as it is too old to hand out:"
    ))?;
    let renewed = wait_for_renewal(&client, &first).await?;
    output::line(&format!(
        "   generation {} -> {}, a new access token:\n",
        first.generation, renewed.generation
    ))?;
    print_vended(&renewed)?;
    call_api(simulator, &renewed).await?;
    let refreshes = simulator.ledger().refreshes();
    output::line(&format!(
        "   The provider's ledger: {refreshes} refresh, {} reuse of a refresh token.\n",
        simulator.ledger().reuses()
    ))?;
    ensure!(refreshes >= 1, "the token was not renewed");
    // Whoever connects next is somebody else.
    consent_as(simulator, "acct-3003", "you@acme.test", "You");
    output::line("That is all: no caller ever saw a client secret or a refresh token.")?;
    Ok(())
}

/// The lines to go on with while the demonstration stays up.
pub(super) fn how_to_go_on(server: &Server, simulator: &Simulator) -> io::Result<()> {
    let grpc = server.grpc_address();
    output::line(&format!(
        "\nStill up. In another terminal (grpcurl: https://github.com/fullstorydev/grpcurl):\n
  grpcurl -plaintext {grpc} list
  grpcurl -plaintext {grpc} describe tokend.v1.ConnectorService
  grpcurl -plaintext -d '{{\"integrationType\": \"googlecalendar\"}}' {grpc} tokend.v1.ConnectorService/GetConnection
  USER_TOKEN=$(curl -s '{base}/app/token?user={USER}')
  grpcurl -plaintext -H \"x-tokend-user-token: $USER_TOKEN\" -d '{{\"connectorId\": \"crm\"}}' \\
    {grpc} tokend.v1.ConnectorService/GetCurrentAppUserConnection
  curl -s {base}/ledger

A user of your app connects an account. Browsers may come back to {return_url}, and nowhere else:

  USER_TOKEN=$(curl -s '{base}/app/token?user=bob')
  grpcurl -plaintext -H \"x-tokend-user-token: $USER_TOKEN\" \\
    -d '{{\"connectorId\": \"crm\", \"returnUrl\": \"{return_url}\", \"connectionConfig\": {{\"subdomain\": \"acme\"}}}}' \\
    {grpc} tokend.v1.ConnectorService/ConnectAppUser
  curl -sL -c jar -b jar \"$REDIRECT_URL\"   # the browser, with the redirectUrl answered above; the consent clicks itself
  grpcurl -plaintext -H \"x-tokend-user-token: $USER_TOKEN\" \\
    -d '{{\"authorizationId\": \"...\", \"completionToken\": \"...\"}}' \\
    {grpc} tokend.v1.ConnectorService/CompleteAppUserConnection   # with what the last page shows
  grpcurl -plaintext -H \"x-tokend-user-token: $USER_TOKEN\" -d '{{\"connectorId\": \"crm\"}}' \\
    {grpc} tokend.v1.ConnectorService/GetCurrentAppUserConnection

Ctrl-C ends it.",
        base = simulator.base_url(),
        return_url = simulator.app_return_url()
    ))
}

async fn connect_shared(client: &Client) -> anyhow::Result<()> {
    let mut admin = client.admin();
    let start = v1::StartAuthorizationRequest {
        integration_type: "googlecalendar".to_owned(),
        ..Default::default()
    };
    let started = answer(admin.start_authorization(start).await)?;
    let page = Browser::new()?.open(&started.redirect_url).await?;
    ensure!(
        page.status == 200,
        "the consent ended with status {}",
        page.status
    );
    let complete = v1::CompleteAuthorizationRequest {
        authorization_id: started.authorization_id,
        completion_token: started.completion_token,
        accept_account_change: false,
    };
    answer(admin.complete_authorization(complete).await)?;
    Ok(())
}

async fn connect_user(
    client: &Client,
    simulator: &Simulator,
    user_token: &str,
) -> anyhow::Result<v1::VendedConnection> {
    consent_as(simulator, "acct-2002", "alice@acme.test", "Alice");
    let connect = v1::ConnectAppUserRequest {
        connector_id: provider::APP_USER_CONNECTOR.to_owned(),
        return_url: Some(simulator.app_return_url()),
        connection_config: HashMap::from([("subdomain".to_owned(), "acme".to_owned())]),
        ..Default::default()
    };
    let started = client.connect_app_user(connect, user_token).await?;
    Browser::new()?.open(&started.redirect_url).await?;
    let returned = simulator.wait_for_return(&started.authorization_id).await;
    let token = returned
        .get("completion_token")
        .context("the browser came back without a completion token")?;
    client
        .complete_app_user_connection(started.authorization_id, token, user_token)
        .await?;
    let mut request = tonic::Request::new(v1::GetCurrentAppUserConnectionRequest {
        connector_id: provider::APP_USER_CONNECTOR.to_owned(),
        ..Default::default()
    });
    request
        .metadata_mut()
        .insert(tokend_api::USER_TOKEN_METADATA, user_token.parse()?);
    Ok(answer(
        client
            .connectors()
            .get_current_app_user_connection(request)
            .await,
    )?)
}

fn consent_as(simulator: &Simulator, sub: &str, email: &str, name: &str) {
    simulator.change(|behaviour| {
        behaviour.account = Account {
            sub: sub.to_owned(),
            email: email.to_owned(),
            name: name.to_owned(),
        };
    });
}

async fn get_calendar(client: &Client) -> anyhow::Result<v1::VendedConnection> {
    let request = v1::GetConnectionRequest {
        integration_type: "googlecalendar".to_owned(),
        min_ttl: Some(ProtoDuration {
            seconds: 1,
            nanos: 0,
        }),
        ..Default::default()
    };
    Ok(answer(client.connectors().get_connection(request).await)?)
}

/// Asks as a backend would, again and again, until another generation comes.
async fn wait_for_renewal(
    client: &Client,
    first: &v1::VendedConnection,
) -> anyhow::Result<v1::VendedConnection> {
    loop {
        let vended = get_calendar(client).await?;
        if vended.generation > first.generation {
            return Ok(vended);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Proves that the token works: the provider's API takes it.
async fn call_api(simulator: &Simulator, vended: &v1::VendedConnection) -> anyhow::Result<()> {
    let status = simulator.call_api(&vended.access_token).await?;
    ensure!(
        status == 200,
        "the provider's API answered the vended token with {status}"
    );
    output::line(&format!(
        "   The provider's API answers that token with {status}.\n"
    ))?;
    Ok(())
}

fn print_vended(vended: &v1::VendedConnection) -> anyhow::Result<()> {
    for line in output::json("VendedConnection", vended)?.lines() {
        output::line(&format!("   {line}"))?;
    }
    output::line("")?;
    Ok(())
}
