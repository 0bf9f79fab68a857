//! `POST /token` and `POST /revoke`.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    authorization::scopes_of,
    connection::Connection,
    device::{self, DEVICE_CODE},
    event::{BodyFormat, ClientAuth, FamilyId, Happening},
    fault::Endpoint,
    fingerprint::Fingerprint,
    misbehaviour,
    provider::Provider,
    redemption::Refusal,
    token_answer,
    token_request::TokenRequest,
    unattended::{self, CLIENT_CREDENTIALS, JWT_BEARER, TOKEN_EXCHANGE},
};

/// `POST /token` (RFC 6749 sections 4.1.3 and 6).
pub(crate) async fn token(
    State(provider): State<Arc<Provider>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = TokenRequest::read(&headers, &body);
    let in_flight = arrived(&provider, &request);
    let client_id = client_of(&request);
    let client = client_id.as_deref();
    let process = || redeem(&provider, request);
    let response = misbehaviour::answer(
        &provider,
        Endpoint::Token,
        client,
        &connection,
        in_flight,
        process,
    )
    .await;
    if let (Some(client_id), Some(wait)) = (client_id, retry_after(&response)) {
        provider.note(Happening::ToldToWait { client_id, wait });
    }
    response
}

/// `POST /revoke` (RFC 7009).
pub(crate) async fn revoke(
    State(provider): State<Arc<Provider>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = TokenRequest::read(&headers, &body);
    let client_id = client_of(&request);
    let client = client_id.as_deref();
    let process = || {
        let client_auth = request
            .as_ref()
            .map_or(ClientAuth::None, |request| request.client_auth);
        let revoked = request.and_then(|request| {
            let client_id = request.authenticate(&provider)?;
            let token = request.required("token")?;
            provider.record(|records| records.revoke(client_id, token));
            Ok(())
        });
        match revoked {
            Ok(()) => StatusCode::OK.into_response(),
            Err(refusal) => {
                provider.refuse("revoke", refusal.0);
                token_answer::refused(&provider.conduct.towards(client), client_auth, refusal)
            }
        }
    };
    misbehaviour::answer(
        &provider,
        Endpoint::Revoke,
        client,
        &connection,
        (),
        process,
    )
    .await
}

/// A refresh that is under way; dropped when it is answered, cut, or given up by the client.
struct InFlight {
    provider: Arc<Provider>,
    refresh_token: Fingerprint,
    family: Option<FamilyId>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.provider.record(|records| {
            records
                .books
                .refresh_finished(self.refresh_token, self.family);
        });
    }
}

/// Writes a request down before anything is done about it.
fn arrived(provider: &Arc<Provider>, request: &Result<TokenRequest, Refusal>) -> Option<InFlight> {
    let Ok(request) = request else {
        provider.note(Happening::TokenCalled {
            client_id: String::new(),
            grant_type: String::new(),
            client_auth: ClientAuth::None,
            body: BodyFormat::Form,
        });
        return None;
    };
    let refresh_token = request.parameter("refresh_token");
    provider.record(|records| {
        request
            .secrets()
            .for_each(|secret| records.books.keep_secret(secret));
        records.books.note(Happening::TokenCalled {
            client_id: request.client_id().unwrap_or_default().to_owned(),
            grant_type: request
                .parameter("grant_type")
                .unwrap_or_default()
                .to_owned(),
            client_auth: request.client_auth,
            body: request.body,
        });
        let value = refresh_token?;
        let (refresh_token, family) = (Fingerprint::of(value), records.grants.family_of(value));
        records.books.refresh_started(refresh_token, family);
        Some(InFlight {
            provider: Arc::clone(provider),
            refresh_token,
            family,
        })
    })
}

/// Who says to be calling.
fn client_of(request: &Result<TokenRequest, Refusal>) -> Option<String> {
    let request = request.as_ref().ok()?;
    request.client_id().map(str::to_owned)
}

/// The seconds that an answer tells its client to wait (RFC 9110 section 10.2.3).
fn retry_after(response: &Response) -> Option<u64> {
    let value = response.headers().get(header::RETRY_AFTER)?;
    value.to_str().ok()?.parse().ok()
}

fn redeem(provider: &Arc<Provider>, request: Result<TokenRequest, Refusal>) -> Response {
    let behaviour = provider.conduct.towards(client_of(&request).as_deref());
    let client_auth = request
        .as_ref()
        .map_or(ClientAuth::None, |request| request.client_auth);
    let redeemed = request.and_then(|request| {
        // The assertion alone proves the client.
        if request.parameter("grant_type") == Some(JWT_BEARER) {
            let issued = unattended::by_assertion(provider, &request, &behaviour)?;
            return Ok((issued, false));
        }
        let client_id = request.authenticate(provider)?;
        match request.required("grant_type")? {
            "authorization_code" => {
                let code = request.required("code")?;
                let (redirect_uri, verifier) = (
                    request.parameter("redirect_uri"),
                    request.parameter("code_verifier"),
                );
                provider
                    .record(|records| {
                        records.redeem_code(client_id, code, redirect_uri, verifier, &behaviour)
                    })
                    .map(|issued| (issued, false))
            }
            "refresh_token" => {
                let refresh_token = request.required("refresh_token")?;
                let scopes = request.parameter("scope").map(scopes_of);
                provider
                    .record(|records| {
                        records.redeem_refresh_token(client_id, refresh_token, scopes, &behaviour)
                    })
                    .map(|issued| (issued, true))
            }
            CLIENT_CREDENTIALS => {
                let issued =
                    unattended::by_client_credentials(provider, &request, client_id, &behaviour);
                Ok((issued, false))
            }
            TOKEN_EXCHANGE => unattended::by_exchange(provider, &request, client_id, &behaviour)
                .map(|issued| (issued, false)),
            DEVICE_CODE => device::redeem(provider, &request, client_id, &behaviour)
                .map(|issued| (issued, false)),
            _ => Err(Refusal("unsupported_grant_type")),
        }
    });
    match redeemed {
        Ok((issued, refreshed)) => token_answer::granted(provider, &behaviour, &issued, refreshed),
        Err(refusal) => {
            provider.refuse("token", refusal.0);
            token_answer::refused(&behaviour, client_auth, refusal)
        }
    }
}
