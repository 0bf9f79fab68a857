//! An issuer's public keys (RFC 7517 section 5), and which of them may have signed what.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

/// RSA moduli of 2048 bits (RFC 7518 section 3.3) to 8192 bits, in bytes.
const RSA_MODULUS_LEN: std::ops::RangeInclusive<usize> = 256..=1024;

/// The keys of one issuer that can verify signatures.
pub(crate) struct KeySet(Vec<PublicKey>);

struct PublicKey {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a key set. Keys of unknown kinds, for encryption, too small or with a shared secret are left out;
    /// `None` if none remains.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(json).ok()?;
        let keys: Vec<_> = document
            .keys
            .into_iter()
            .filter_map(|key| PublicKey::new(&serde_json::from_value(key).ok()?))
            .collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The keys that may have made a signature of this algorithm. The key id is only ever compared; a token without
    /// one is taken only where no choice is left.
    pub(crate) fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Vec<DecodingKey> {
        let found: Vec<_> = self
            .0
            .iter()
            .filter(|key| key.algorithms.contains(&algorithm))
            .filter(|key| kid.is_none() || key.kid.as_deref() == kid)
            .map(|key| key.key.clone())
            .collect();
        if kid.is_none() && found.len() > 1 {
            return Vec::new();
        }
        found
    }
}

impl PublicKey {
    fn new(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        let is_for_signatures = common
            .public_key_use
            .as_ref()
            .is_none_or(|usage| *usage == PublicKeyUse::Signature)
            && common
                .key_operations
                .as_ref()
                .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let mut algorithms = algorithms_of(&jwk.algorithm);
        if let Some(only) = common.key_algorithm {
            algorithms.retain(|&algorithm| KeyAlgorithm::from(algorithm) == only);
        }
        if !is_for_signatures || algorithms.is_empty() {
            return None;
        }
        Some(Self {
            kid: common.key_id.clone(),
            algorithms,
            key: DecodingKey::from_jwk(jwk).ok()?,
        })
    }
}

/// The algorithms that go with a key's type and curve (RFC 7518 section 3.1, RFC 8037 section 3.1).
fn algorithms_of(parameters: &AlgorithmParameters) -> Vec<Algorithm> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match parameters {
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => vec![ES256],
            EllipticCurve::P384 => vec![ES384],
            _ => vec![],
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            vec![EdDSA]
        }
        AlgorithmParameters::RSA(key) => match URL_SAFE_NO_PAD.decode(&key.n) {
            Ok(modulus) if RSA_MODULUS_LEN.contains(&modulus.len()) => {
                vec![RS256, RS384, RS512, PS256, PS384, PS512]
            }
            _ => vec![],
        },
        _ => vec![],
    }
}
