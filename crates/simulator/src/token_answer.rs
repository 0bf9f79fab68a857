//! Writes the answers of the token endpoint, in the dialects of [`TokenAnswer`].

use std::sync::Arc;

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::{
    app_identity::object,
    behaviour::{Behaviour, TokenAnswer},
    clock,
    delivery::Delivery,
    event::ClientAuth,
    grants::Issued,
    provider::Provider,
    redemption::Refusal,
    token_request::INVALID_CLIENT,
};

/// The answer to a redeemed code or refresh token.
pub(crate) fn granted(
    provider: &Arc<Provider>,
    behaviour: &Behaviour,
    issued: &Issued,
    refreshed: bool,
) -> Response {
    let body = match behaviour.token_answer {
        TokenAnswer::Json => plain(provider, behaviour, issued, "Bearer", " "),
        TokenAnswer::Form => plain(provider, behaviour, issued, "bearer", ","),
        // Slack puts a user's token inside at the code's exchange, and at the top when it is refreshed.
        TokenAnswer::Nested if refreshed => {
            let mut body = plain(provider, behaviour, issued, "user", ",");
            body.insert("ok".to_owned(), true.into());
            body
        }
        TokenAnswer::Nested => {
            let mut user = plain(
                provider,
                &Behaviour {
                    extra_answer: Map::new(),
                    ..behaviour.clone()
                },
                issued,
                "user",
                ",",
            );
            user.insert("id".to_owned(), issued.consented.account.sub.clone().into());
            let mut body = object(json!({
                "ok": true, "app_id": "app-sim", "authed_user": user,
                "team": { "id": "team-sim", "name": "Simulated Team" },
            }));
            body.extend(behaviour.extra_answer.clone());
            body
        }
    };
    let mut response = written(behaviour, StatusCode::OK, body);
    response
        .extensions_mut()
        .insert(Delivery::new(provider, issued));
    response
}

/// The answer to a request that is refused (RFC 6749 section 5.2).
pub(crate) fn refused(
    behaviour: &Behaviour,
    client_auth: ClientAuth,
    refusal: Refusal,
) -> Response {
    let mut body = object(json!({ "error": refusal.0 }));
    let status = match behaviour.token_answer {
        TokenAnswer::Json if refusal == INVALID_CLIENT => StatusCode::UNAUTHORIZED,
        TokenAnswer::Json => StatusCode::BAD_REQUEST,
        TokenAnswer::Form => StatusCode::OK,
        TokenAnswer::Nested => {
            body.insert("ok".to_owned(), false.into());
            StatusCode::OK
        }
    };
    let mut response = written(behaviour, status, body);
    if status == StatusCode::UNAUTHORIZED && client_auth == ClientAuth::ClientSecretBasic {
        let challenge = header::HeaderValue::from_static("Basic realm=\"simulator\"");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn plain(
    provider: &Provider,
    behaviour: &Behaviour,
    issued: &Issued,
    token_type: &str,
    separator: &str,
) -> Map<String, Value> {
    let mut body = object(json!({
        "access_token": issued.access_token,
        "token_type": token_type,
        "scope": issued.scopes.join(separator),
    }));
    if let (Some(lifetime), true) = (issued.lifetime, behaviour.announces_lifetime) {
        body.insert("expires_in".to_owned(), lifetime.as_secs().into());
    }
    let announced = behaviour.announces_refresh_lifetime.as_ref();
    if let (Some(member), Some(left)) = (announced, issued.refresh_lifetime) {
        body.insert(member.clone(), left.as_secs().into());
    }
    if let Some(refresh_token) = &issued.refresh_token {
        body.insert("refresh_token".to_owned(), refresh_token.clone().into());
    }
    if issued.scopes.iter().any(|scope| scope == "openid") {
        body.insert("id_token".to_owned(), id_token(provider, issued).into());
    }
    body.extend(behaviour.extra_answer.clone());
    body
}

/// OpenID Connect Core section 2.
fn id_token(provider: &Provider, issued: &Issued) -> String {
    let (consented, now) = (&issued.consented, clock::now().timestamp());
    let account = &consented.account;
    let mut claims = object(json!({
        "iss": provider.base_url, "sub": account.sub, "aud": consented.client_id,
        "iat": now, "exp": now + 3600, "email": account.email, "name": account.name,
    }));
    if let Some(nonce) = &consented.nonce {
        claims.insert("nonce".to_owned(), nonce.clone().into());
    }
    provider.key.sign(&provider.key.header(), &claims)
}

fn written(behaviour: &Behaviour, status: StatusCode, body: Map<String, Value>) -> Response {
    let not_stored = [(header::CACHE_CONTROL, "no-store")];
    if behaviour.token_answer != TokenAnswer::Form {
        return (status, not_stored, Json(body)).into_response();
    }
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &body {
        match value {
            Value::String(text) => form.append_pair(name, text),
            other => form.append_pair(name, &other.to_string()),
        };
    }
    let form_encoded = [(
        header::CONTENT_TYPE,
        "application/x-www-form-urlencoded; charset=utf-8",
    )];
    (status, not_stored, form_encoded, form.finish()).into_response()
}
