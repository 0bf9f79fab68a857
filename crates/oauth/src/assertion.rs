//! JWTs that the client signs: as proof of itself (RFC 7523 section 2.2), and as grant (section 2.1).

use std::time::Duration;

use serde_json::{Value, json};
use tokend_catalog::{Assertion, Param};
use tokend_model::{Secret, TokenFailure, TokenFailureKind};
use uuid::Uuid;

use crate::failure::failure;
use crate::private_key::PrivateKey;
use crate::provider::{Provider, not_sent};

/// How long a client assertion is good for: it is used at once.
const CLIENT_ASSERTION_LIFETIME: Duration = Duration::from_secs(300);

/// The JWT by which a client proves itself.
pub(crate) fn client_assertion(
    provider: &Provider<'_>,
    secret: Option<&Secret>,
) -> Result<String, TokenFailure> {
    let id = &provider.registration.connector.client_id;
    let claims = json!({ "iss": id, "sub": id, "aud": token_endpoint(provider)? });
    sign(provider, secret, claims, CLIENT_ASSERTION_LIFETIME)
}

/// The JWT that is a grant, or stands for one; for these scopes, where they are claims.
pub(crate) fn grant_assertion(
    provider: &Provider<'_>,
    assertion: &Assertion,
    secret: Option<&Secret>,
    scopes: &[String],
) -> Result<String, TokenFailure> {
    let value = |param: &Param| match param {
        Param::Text(text) => Some(text.clone()),
        Param::Number(number) => Some(number.to_string()),
        Param::Value(name) => provider.value(name).map(str::to_owned),
    };
    let audience = match &assertion.audience {
        Some(audience) => audience.clone(),
        None => token_endpoint(provider)?,
    };
    let issuer = value(&assertion.issuer)
        .ok_or_else(|| failure(TokenFailureKind::NotSent, "assertion.issuer has no value"))?;
    let mut claims = json!({ "iss": issuer, "aud": audience });
    if let Some(subject) = assertion.subject.as_ref().and_then(value) {
        claims["sub"] = subject.into();
    }
    if let (Some(claim), false) = (&assertion.scope_claim, scopes.is_empty()) {
        claims[claim.as_str()] = scopes.join(" ").into();
    }
    let lifetime = Duration::from_secs(assertion.lifetime_seconds.into());
    sign(provider, secret, claims, lifetime)
}

fn token_endpoint(provider: &Provider<'_>) -> Result<String, TokenFailure> {
    let url = provider.token().and_then(|token| provider.url(&token.url));
    url.map(String::from).map_err(not_sent)
}

/// Signs the claims with a time and an id of their own. The time is set back a little, up to a minute: to a provider whose
/// clock is behind, a JWT from the future is none.
fn sign(
    provider: &Provider<'_>,
    secret: Option<&Secret>,
    mut claims: Value,
    lifetime: Duration,
) -> Result<String, TokenFailure> {
    let back = (lifetime / 10).min(Duration::from_secs(60));
    let now = provider.transport.now().timestamp();
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or_default();
    let issued = now - seconds(back);
    claims["iat"] = issued.into();
    claims["exp"] = (issued + seconds(lifetime)).into();
    claims["jti"] = Uuid::new_v4().to_string().into();
    let key = secret.and_then(PrivateKey::read).ok_or_else(|| {
        failure(
            TokenFailureKind::NotSent,
            "the client secret has to be a private key, RSA or P-256: PEM, a JWK, or a JSON key file",
        )
    })?;
    key.sign(&claims).ok_or_else(|| {
        failure(
            TokenFailureKind::NotSent,
            "the client's private key cannot sign",
        )
    })
}
