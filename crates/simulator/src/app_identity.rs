//! The simulated app's own identity provider: it signs the JWTs that prove who the app user is.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Map, Value, json};

use crate::{clock, random};

/// A signing key made at run time, and its public half as a JWK.
pub(crate) struct SigningKey {
    pair: EcdsaKeyPair,
    key_id: String,
}

/// An issuer of JWTs.
#[derive(Clone)]
pub(crate) struct AppIdentity {
    pub(crate) issuer: String,
    key: Arc<SigningKey>,
}

/// A JWT before it is signed. Built by [`Simulator::app_user_token_draft`](crate::Simulator::app_user_token_draft).
#[must_use]
pub struct TokenDraft {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    key: Arc<SigningKey>,
}

impl SigningKey {
    /// A fresh P-256 key.
    pub(crate) fn generate() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = random::entropy(EcdsaKeyPair::generate_pkcs8(algorithm, &random));
        // A document that ring has just written is one that it reads: only randomness can be missing.
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random);
        Self {
            pair: random::entropy(pair.map_err(|_| ring::error::Unspecified)),
            key_id: random::id("key-sim-"),
        }
    }

    /// The key set (RFC 7517) with the public key.
    pub(crate) fn key_set(&self) -> Value {
        // Uncompressed point: 0x04, then x and y of 32 bytes each.
        let point = self.pair.public_key().as_ref();
        let (x, y) = point.get(1..).unwrap_or_default().split_at(32);
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.key_id,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        }] })
    }

    /// A compact JWS (RFC 7515) over any header and claims.
    pub(crate) fn sign(&self, header: &Map<String, Value>, claims: &Map<String, Value>) -> String {
        let part = |part: &Map<String, Value>| URL_SAFE_NO_PAD.encode(json!(part).to_string());
        let input = format!("{}.{}", part(header), part(claims));
        let signature = random::entropy(self.pair.sign(&SystemRandom::new(), input.as_bytes()));
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The header that belongs to this key.
    pub(crate) fn header(&self) -> Map<String, Value> {
        object(json!({ "alg": "ES256", "typ": "JWT", "kid": self.key_id }))
    }
}

impl AppIdentity {
    pub(crate) fn new(issuer: String) -> Self {
        Self {
            issuer,
            key: Arc::new(SigningKey::generate()),
        }
    }

    pub(crate) fn key_set(&self) -> Value {
        self.key.key_set()
    }

    /// The token of a user, good for `lifetime` from now.
    pub(crate) fn draft(&self, user_id: &str, audience: &str, lifetime: Duration) -> TokenDraft {
        let now = clock::now().timestamp();
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        let claims = object(json!({
            "iss": self.issuer, "sub": user_id, "aud": audience, "iat": now, "exp": now.saturating_add(lifetime),
        }));
        TokenDraft {
            header: self.key.header(),
            claims,
            key: Arc::clone(&self.key),
        }
    }
}

impl TokenDraft {
    /// Sets a claim.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a claim out.
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets a header parameter, for example `kid` or `alg`; the signature stays ES256.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Signs with a key that is not in the key set, under the key id of the one that is.
    pub fn with_foreign_key(mut self) -> Self {
        self.key = Arc::new(SigningKey::generate());
        self
    }

    /// The compact JWT.
    pub fn sign(&self) -> String {
        self.key.sign(&self.header, &self.claims)
    }

    /// A JWT with `alg: none` and an empty signature (RFC 8725 section 3.2).
    pub fn unsigned(self) -> String {
        let signed = self.header("alg", "none").sign();
        let end = signed.rfind('.').map_or(signed.len(), |dot| dot + 1);
        signed[..end].to_owned()
    }
}

/// The members of a `json!({ ... })`.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
