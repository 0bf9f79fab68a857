//! What is read: the protected resources, the metadata, and the ledger as JSON.

use std::sync::Arc;

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    connection::Connection, fault::Endpoint, grants::Bearer, ledger::Ledger, misbehaviour, provider::Provider,
};

/// `GET /userinfo` (OpenID Connect Core section 5.3).
pub(crate) async fn userinfo(
    State(provider): State<Arc<Provider>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
) -> Response {
    let process = || match bearer(&provider, &headers, "userinfo") {
        Ok(Bearer { account, .. }) => {
            Json(json!({ "sub": account.sub, "email": account.email, "name": account.name })).into_response()
        }
        Err(refusal) => refusal,
    };
    misbehaviour::answer(&provider, Endpoint::Userinfo, &connection, (), process).await
}

/// `GET /api/events`: shows that an access token works.
pub(crate) async fn events(State(provider): State<Arc<Provider>>, headers: HeaderMap) -> Response {
    match bearer(&provider, &headers, "events") {
        Ok(Bearer { account, scopes }) => Json(json!({
            "account": account.sub,
            "scopes": scopes,
            "items": [{ "id": "event-1", "summary": "A simulated event" }],
        }))
        .into_response(),
        Err(refusal) => refusal,
    }
}

/// `GET /.well-known/openid-configuration` (RFC 8414, OpenID Connect Discovery).
pub(crate) async fn openid_configuration(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", provider.base_url);
    Json(json!({
        "issuer": provider.base_url,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "revocation_endpoint": at("/revoke"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/jwks.json"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "subject_types_supported": ["public"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

/// `GET /jwks.json`: the key of the provider's ID tokens.
pub(crate) async fn key_set(State(provider): State<Arc<Provider>>) -> Json<Value> {
    Json(provider.key.key_set())
}

/// `GET /ledger`.
pub(crate) async fn ledger(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let ledger = Ledger::new(provider);
    Json(json!({
        "token_calls": ledger.token_calls(),
        "refreshes": ledger.refreshes(),
        "overlapping_refreshes": ledger.overlapping_refreshes(),
        "reuses": ledger.reuses(),
        "grants": ledger.grants(),
        "events": ledger.events(),
    }))
}

/// Who a request speaks for, or the answer of RFC 6750 section 3.
fn bearer(provider: &Provider, headers: &HeaderMap, endpoint: &'static str) -> Result<Bearer, Response> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = authorization
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let found = token.and_then(|token| provider.lock().grants.bearer(token));
    found.ok_or_else(|| {
        provider.refuse(endpoint, "invalid_token");
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
        (StatusCode::UNAUTHORIZED, challenge, Json(json!({ "error": "invalid_token" }))).into_response()
    })
}
