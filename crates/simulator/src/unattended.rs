//! Grants that nobody consents to: client credentials (RFC 6749 section 4.4), JWT bearer (RFC 7523), token exchange
//! (RFC 8693).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;

use crate::{
    Simulator,
    authorization::scopes_of,
    behaviour::{Account, Behaviour},
    clock,
    event::Happening,
    grants::{Consented, Issued},
    provider::{Provider, locked},
    redemption::Refusal,
    token_request::TokenRequest,
};

pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

const INVALID_GRANT: Refusal = Refusal("invalid_grant");

/// The longest life of an assertion that is taken, in seconds.
const LONGEST_ASSERTION: i64 = 3600;

/// The public keys that clients sign their assertions with, by client: uncompressed points on P-256.
#[derive(Default)]
pub(crate) struct AssertionKeys(Mutex<BTreeMap<String, Vec<u8>>>);

impl Simulator {
    /// Takes assertions of a client (RFC 7523) that are signed with ES256 by the owner of this public key, an
    /// uncompressed point on P-256.
    pub fn trust_assertions_of(&self, client_id: &str, public_key: &[u8]) {
        let keys = &self.provider().assertion_keys.0;
        locked(keys).insert(client_id.to_owned(), public_key.to_vec());
    }
}

/// Tokens for the client itself.
pub(crate) fn by_client_credentials(
    provider: &Provider,
    request: &TokenRequest,
    client_id: &str,
    behaviour: &Behaviour,
) -> Issued {
    let scopes = request.parameter("scope").unwrap_or_default();
    issue(provider, client_id, client_id, scopes, behaviour)
}

/// Tokens for whom a client's signed assertion names.
pub(crate) fn by_assertion(
    provider: &Provider,
    request: &TokenRequest,
    behaviour: &Behaviour,
) -> Result<Issued, Refusal> {
    let assertion = request.required("assertion")?;
    provider.record(|records| records.books.keep_secret(assertion));
    let (claims, client_id) = verified(provider, assertion).ok_or(INVALID_GRANT)?;
    let subject = claims["sub"].as_str().unwrap_or(&client_id);
    let scopes = claims["scope"]
        .as_str()
        .or(request.parameter("scope"))
        .unwrap_or_default();
    Ok(issue(provider, &client_id, subject, scopes, behaviour))
}

/// Tokens for whom a live access token of this provider's speaks.
pub(crate) fn by_exchange(
    provider: &Provider,
    request: &TokenRequest,
    client_id: &str,
    behaviour: &Behaviour,
) -> Result<Issued, Refusal> {
    request.required("subject_token_type")?;
    let subject_token = request.required("subject_token")?;
    let bearer = provider.lock().grants.bearer(subject_token);
    let subject = bearer.ok_or(INVALID_GRANT)?.account.sub;
    let scopes = request.parameter("scope").unwrap_or_default();
    Ok(issue(provider, client_id, &subject, scopes, behaviour))
}

/// The claims of an assertion that a known client made for this token endpoint, and the client (RFC 7523 section 3).
fn verified(provider: &Provider, assertion: &str) -> Option<(Value, String)> {
    let (input, signature) = assertion.rsplit_once('.')?;
    let (_, claims) = input.split_once('.')?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let client_id = claims["iss"].as_str()?.to_owned();
    let key = locked(&provider.assertion_keys.0)
        .get(&client_id)
        .cloned()?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key)
        .verify(input.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?)
        .ok()?;
    let now = clock::now().timestamp();
    let expires = claims["exp"].as_i64()?;
    let fits = claims["aud"].as_str()? == format!("{}/token", provider.base_url)
        && expires > now
        && expires <= now + LONGEST_ASSERTION;
    fits.then_some((claims, client_id))
}

/// Such grants have no refresh token (RFC 6749 section 4.4.3).
fn issue(
    provider: &Provider,
    client_id: &str,
    subject: &str,
    scopes: &str,
    behaviour: &Behaviour,
) -> Issued {
    let scopes = scopes_of(scopes);
    let consented = Arc::new(Consented {
        client_id: client_id.to_owned(),
        redirect_uri: String::new(),
        code_challenge: None,
        nonce: None,
        scopes,
        account: Account {
            sub: subject.to_owned(),
            email: format!("{subject}@example.com"),
            name: subject.to_owned(),
        },
    });
    let behaviour = Behaviour {
        issues_refresh_tokens: false,
        ..behaviour.clone()
    };
    provider.record(|records| {
        let issued = records.grant(&consented, &behaviour);
        records.books.note(Happening::Granted {
            client_id: client_id.to_owned(),
            family: issued.family,
        });
        issued
    })
}
