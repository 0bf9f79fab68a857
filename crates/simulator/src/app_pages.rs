//! The simulated app: where browsers come back to, and the issuer of its users' tokens.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::provider::Provider;

/// The query of `GET /app/token`.
#[derive(Deserialize)]
pub(crate) struct TokenQuery {
    user: String,
    #[serde(default = "default_audience")]
    audience: String,
    /// Seconds.
    #[serde(default = "default_lifetime")]
    lifetime: u64,
}

/// `GET /app/connected`: the app's return URL; remembers with which query the browser came, and shows it, for whoever
/// completes by hand.
pub(crate) async fn connected(
    State(provider): State<Arc<Provider>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> (StatusCode, String) {
    if let Some(completion_token) = query.get("completion_token") {
        provider.record(|records| records.books.keep_secret(completion_token));
    }
    let mut text = if query.contains_key("error") {
        "The account was not connected. You can close this page.\n".to_owned()
    } else {
        "Back in the app. You can close this page.\n".to_owned()
    };
    for (name, value) in &query {
        text.push_str(&format!("{name}={value}\n"));
    }
    provider.returns.send_modify(|returns| returns.push(query));
    (StatusCode::OK, text)
}

/// `GET /app/token?user=alice`: an app user's JWT as text, for a shell.
pub(crate) async fn token(
    State(provider): State<Arc<Provider>>,
    Query(query): Query<TokenQuery>,
) -> String {
    provider
        .app
        .draft(
            &query.user,
            &query.audience,
            Duration::from_secs(query.lifetime),
        )
        .sign()
}

/// `GET /app/jwks.json`.
pub(crate) async fn key_set(State(provider): State<Arc<Provider>>) -> Json<Value> {
    Json(provider.app.key_set())
}

/// `GET /app/.well-known/openid-configuration`: as much as a verifier of tokens needs.
pub(crate) async fn openid_configuration(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let issuer = &provider.app.issuer;
    Json(json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/jwks.json") }))
}

fn default_audience() -> String {
    "tokend".to_owned()
}

fn default_lifetime() -> u64 {
    3600
}
