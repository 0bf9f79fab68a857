//! Asks tokend for the organisation's Google Calendar connection and lists its calendars.
//!
//! `TOKEND_API_KEY=... cargo run -p tokend-client --example call_google_calendar`

use std::{env, time::Duration};

use anyhow::Context;
use reqwest::{StatusCode, redirect::Policy};
use tokend_client::{Client, Connection, Credentials, ErrorReason, GetOptions};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // reqwest is built without a TLS provider of its own here.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let endpoint = env::var("TOKEND_ENDPOINT").unwrap_or("http://127.0.0.1:50051".to_owned());
    let api_key = env::var("TOKEND_API_KEY").context("TOKEND_API_KEY is not set")?;
    let tokend = Client::builder(endpoint)
        .credentials(Credentials::api_key(api_key))
        .connect()
        .await?;

    let connection = tokend
        .get_connection("googlecalendar")
        .with_options(GetOptions {
            connect_return_url: env::var("RETURN_URL").ok(),
            ..GetOptions::default()
        })
        .await;
    let connection = match connection {
        Err(error) if error.reason == Some(ErrorReason::NotConnected) => {
            let url = error.help_url.as_deref().unwrap_or("tokend connect");
            anyhow::bail!("nobody has connected the calendar yet: {url}");
        }
        connection => connection?,
    };

    let mut response = list_calendars(&connection).await?;
    if response.status() == StatusCode::UNAUTHORIZED {
        // The token was withdrawn before its time: ask for another one, once.
        let newer = tokend
            .get_connection("googlecalendar")
            .instead_of(&connection)
            .await?;
        response = list_calendars(&newer).await?;
    }
    println!("{}", response.error_for_status()?.text().await?);
    Ok(())
}

async fn list_calendars(connection: &Connection) -> reqwest::Result<reqwest::Response> {
    // Where the API's address differs from account to account, the connection's config has it.
    let api = match connection.connection_config.get("api_base_url") {
        Some(url) => url.as_str(),
        None => "https://www.googleapis.com/calendar/v3",
    };
    // No redirect, so that the token goes nowhere else.
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .redirect(Policy::none())
        .build()?;
    http.get(format!("{api}/users/me/calendarList"))
        .bearer_auth(connection.access_token.expose())
        .send()
        .await
}
