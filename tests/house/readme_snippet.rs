//! The README's example for backend developers.

// README.md shows what follows.
use tokend_client::{Client, Credentials};

async fn list_calendars(api_key: String) -> anyhow::Result<String> {
    let tokend = Client::builder("http://127.0.0.1:50051")
        .credentials(Credentials::api_key(api_key))
        .connect()
        .await?;
    let calendar = tokend.get_connection("googlecalendar").await?;

    let response = reqwest::Client::builder()
        .build()?
        .get("https://www.googleapis.com/calendar/v3/users/me/calendarList")
        .bearer_auth(calendar.access_token.expose())
        .send()
        .await?;
    Ok(response.error_for_status()?.text().await?)
}
