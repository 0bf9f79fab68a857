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
    connection::Connection,
    device::DEVICE_CODE,
    fault::Endpoint,
    grants::Bearer,
    ledger::Ledger,
    misbehaviour,
    provider::Provider,
    unattended::{CLIENT_CREDENTIALS, JWT_BEARER, TOKEN_EXCHANGE},
};

/// `GET /userinfo` (OpenID Connect Core section 5.3).
pub(crate) async fn userinfo(
    State(provider): State<Arc<Provider>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
) -> Response {
    let client = presented(&headers).and_then(|token| {
        let records = provider.lock();
        records.grants.client_of(token).map(str::to_owned)
    });
    let process = || match bearer(&provider, &headers) {
        Some(Bearer { account, .. }) => {
            Json(json!({ "sub": account.sub, "email": account.email, "name": account.name }))
                .into_response()
        }
        None => invalid_token(&provider, "userinfo"),
    };
    misbehaviour::answer(
        &provider,
        Endpoint::Userinfo,
        client.as_deref(),
        &connection,
        (),
        process,
    )
    .await
}

/// `GET /api/events`: shows that an access token works.
pub(crate) async fn events(State(provider): State<Arc<Provider>>, headers: HeaderMap) -> Response {
    match bearer(&provider, &headers) {
        Some(Bearer { account, scopes }) => Json(json!({
            "account": account.sub,
            "scopes": &scopes[..],
            "items": [{ "id": "event-1", "summary": "A simulated event" }],
        }))
        .into_response(),
        None => invalid_token(&provider, "events"),
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
        "device_authorization_endpoint": at("/device"),
        "jwks_uri": at("/jwks.json"),
        "response_types_supported": ["code"],
        "grant_types_supported": [
            "authorization_code", "refresh_token", CLIENT_CREDENTIALS, JWT_BEARER, TOKEN_EXCHANGE, DEVICE_CODE,
        ],
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

/// Who a request speaks for; its access token is used by that.
fn bearer(provider: &Provider, headers: &HeaderMap) -> Option<Bearer> {
    let access_token = presented(headers)?;
    provider.record(|records| records.use_access_token(access_token))
}

/// The access token of a request (RFC 6750 section 2.1).
fn presented(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// RFC 6750 section 3.
fn invalid_token(provider: &Provider, endpoint: &'static str) -> Response {
    provider.refuse(endpoint, "invalid_token");
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
    let body = Json(json!({ "error": "invalid_token" }));
    (StatusCode::UNAUTHORIZED, challenge, body).into_response()
}
