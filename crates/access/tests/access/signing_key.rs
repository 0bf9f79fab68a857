//! Keys made at run time, and tokens signed with them in any shape.

use std::sync::OnceLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto::sign, jwk::Jwk};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use rsa::{RsaPrivateKey, pkcs1::EncodeRsaPrivateKey};
use serde_json::{Value, json};

/// A private key under a key id.
#[derive(Clone)]
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) private: EncodingKey,
}

impl SigningKey {
    pub(crate) fn es256(kid: &str) -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self::new(
            kid,
            Algorithm::ES256,
            EncodingKey::from_ec_der(key.as_ref()),
        )
    }

    pub(crate) fn ed25519(kid: &str) -> Self {
        // The form without the public key, which is the one the JWK is made from.
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let seed = &key.as_ref()[16..48];
        let mut der = vec![
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ];
        der.extend_from_slice(seed);
        Self::new(kid, Algorithm::EdDSA, EncodingKey::from_ed_der(&der))
    }

    /// One key for the whole run, as making them takes long; with any RSA algorithm.
    pub(crate) fn rsa(kid: &str, algorithm: Algorithm) -> Self {
        static KEY: OnceLock<EncodingKey> = OnceLock::new();
        let key = KEY.get_or_init(|| rsa_key(2048));
        Self::new(kid, algorithm, key.clone())
    }

    pub(crate) fn short_rsa(kid: &str) -> Self {
        Self::new(kid, Algorithm::RS256, rsa_key(1024))
    }

    pub(crate) fn new(kid: &str, algorithm: Algorithm, private: EncodingKey) -> Self {
        Self {
            kid: kid.to_owned(),
            algorithm,
            private,
        }
    }

    /// The public half, as it stands in a key set.
    pub(crate) fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.private, self.algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A token with the usual header.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": self.algorithm, "kid": self.kid, "typ": "JWT" });
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// A token with any header and claims, well-formed or not.
    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed = unsigned(header, claims);
        let signature = sign(signed.as_bytes(), &self.private, self.algorithm).unwrap();
        format!("{signed}.{signature}")
    }
}

/// The part of a token that is signed.
pub(crate) fn unsigned(header: &str, claims: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(header);
    format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims))
}

fn rsa_key(bits: usize) -> EncodingKey {
    let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits).unwrap();
    EncodingKey::from_rsa_der(key.to_pkcs1_der().unwrap().as_bytes())
}
