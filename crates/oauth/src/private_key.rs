//! The private key of a client that signs, in the forms in which providers hand it out.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::pkcs8::EncodePrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::{BigUint, RsaPrivateKey};
use serde_json::Value;
use tokend_model::Secret;

/// A key to sign JWTs with.
pub(crate) struct PrivateKey {
    key: EncodingKey,
    algorithm: Algorithm,
    key_id: Option<String>,
}

impl PrivateKey {
    /// Reads an RSA or P-256 key: PEM (PKCS#8, PKCS#1, SEC 1), a JWK (RFC 7517), or a JSON key file with a `private_key`
    /// in PEM and its `private_key_id`.
    pub(crate) fn read(secret: &Secret) -> Option<Self> {
        let text = secret.expose().trim();
        if !text.starts_with('{') {
            return Self::from_pem(text);
        }
        let object: Value = serde_json::from_str(text).ok()?;
        let member = |name: &str| object.get(name).and_then(Value::as_str);
        let key_id = member("private_key_id").or(member("kid"));
        let key = match member("private_key") {
            Some(pem) => Self::from_pem(pem.trim())?,
            None => Self::from_jwk(&member)?,
        };
        Some(Self {
            key_id: key_id.map(str::to_owned),
            ..key
        })
    }

    /// Signs the claims (RFC 7515 section 3.1).
    pub(crate) fn sign(&self, claims: &Value) -> Option<String> {
        let mut header = Header::new(self.algorithm);
        header.kid.clone_from(&self.key_id);
        jsonwebtoken::encode(&header, claims, &self.key).ok()
    }

    fn from_pem(pem: &str) -> Option<Self> {
        if let Ok(key) = EncodingKey::from_rsa_pem(pem.as_bytes()) {
            return Some(Self::rsa(key));
        }
        let key = match p256::SecretKey::from_sec1_pem(pem) {
            Ok(key) => Self::ec(&key)?,
            Err(_) => Self {
                key: EncodingKey::from_ec_pem(pem.as_bytes()).ok()?,
                algorithm: Algorithm::ES256,
                key_id: None,
            },
        };
        Some(key)
    }

    /// RFC 7518 sections 6.2.2 and 6.3.2.
    fn from_jwk<'j>(member: &impl Fn(&str) -> Option<&'j str>) -> Option<Self> {
        let bytes = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(member(name)?).ok();
        match (member("kty")?, member("crv")) {
            ("RSA", _) => {
                // Numbers that no key has make the arithmetic panic.
                let number = |name: &str| {
                    let number = BigUint::from_bytes_be(&bytes(name)?);
                    (number.bits() > 1).then_some(number)
                };
                let primes = match (number("p"), number("q")) {
                    (Some(p), Some(q)) => vec![p, q],
                    _ => Vec::new(),
                };
                let (n, e, d) = (number("n")?, number("e")?, number("d")?);
                let key = RsaPrivateKey::from_components(n, e, d, primes).ok()?;
                let der = key.to_pkcs1_der().ok()?;
                Some(Self::rsa(EncodingKey::from_rsa_der(der.as_bytes())))
            }
            ("EC", Some("P-256")) => Self::ec(&p256::SecretKey::from_slice(&bytes("d")?).ok()?),
            _ => None,
        }
    }

    fn rsa(key: EncodingKey) -> Self {
        Self {
            key,
            algorithm: Algorithm::RS256,
            key_id: None,
        }
    }

    fn ec(key: &p256::SecretKey) -> Option<Self> {
        let der = key.to_pkcs8_der().ok()?;
        Some(Self {
            key: EncodingKey::from_ec_der(der.as_bytes()),
            algorithm: Algorithm::ES256,
            key_id: None,
        })
    }
}
