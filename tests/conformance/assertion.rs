//! Keys of clients that sign, made once a run, and what a provider checks of what they signed.

use std::sync::OnceLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rsa::{
    RsaPrivateKey,
    pkcs1::EncodeRsaPublicKey,
    pkcs8::{EncodePrivateKey, LineEnding},
};
use serde_json::{Value, json};

use crate::{clock::now, provider::Provider};

/// An RSA key.
pub(crate) struct SigningKey {
    private: RsaPrivateKey,
    public: Vec<u8>,
    id: String,
}

impl SigningKey {
    /// One for the whole run, as making it takes long.
    pub(crate) fn of_this_run() -> &'static Self {
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        KEY.get_or_init(|| {
            let private = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
            let public = private.to_public_key().to_pkcs1_der().unwrap();
            let id = std::iter::repeat_with(|| fastrand::digit(16))
                .take(40)
                .collect();
            Self {
                private,
                public: public.into_vec(),
                id,
            }
        })
    }

    /// PKCS #8, as PEM.
    pub(crate) fn pem(&self) -> String {
        let pem = self.private.to_pkcs8_pem(LineEnding::LF).unwrap();
        pem.as_str().to_owned()
    }

    /// A JSON key file, as Google hands them out.
    pub(crate) fn key_file(&self, client_id: &str) -> String {
        json!({
            "type": "service_account",
            "project_id": "project",
            "private_key_id": self.id,
            "private_key": self.pem(),
            "client_email": client_id,
            // Never to be called: the file is the client's, and may say anything.
            "token_uri": "https://thief.example/token",
        })
        .to_string()
    }
}

impl Provider {
    /// The claims of an assertion (RFC 7523 section 3) that the client signed; or what is wrong with it.
    pub(crate) fn believes(&self, token: &str) -> Result<Value, String> {
        let (Some(key), Some(rules)) = (self.key, &self.dialect.assertion) else {
            return Err("no assertion was expected".to_owned());
        };
        let (signed, signature) = token.rsplit_once('.').ok_or("the assertion is no JWT")?;
        let (header, claims) = signed.split_once('.').ok_or("the assertion is no JWT")?;
        let (header, claims) = (part(header)?, part(claims)?);
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|error| error.to_string())?;
        demand(header["alg"] == "RS256", "alg")?;
        demand(!rules.key_id || header["kid"] == key.id.as_str(), "kid")?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key.public)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| "the assertion's signature")?;
        demand(claims["iss"] == self.client_id.as_str(), "iss")?;
        let number = |name: &str| claims[name].as_i64().unwrap_or_default();
        let now = now();
        demand(number("iat") <= now + 1, "iat is in the future")?;
        demand(number("exp") > now, "exp is over")?;
        demand(
            number("exp") - now <= rules.longest_seconds,
            "exp is too far away",
        )?;
        if let Some(audience) = &rules.audience {
            demand(claims["aud"] == audience.as_str(), "aud")?;
        }
        let id = claims["jti"].as_str().unwrap_or_default().to_owned();
        let known = rules.once && !self.books().assertions.insert(id.clone());
        demand(!rules.once || !known && !id.is_empty(), "jti")?;
        let subject = rules.subject.as_deref();
        demand(
            subject.is_none_or(|subject| claims["sub"] == subject),
            "sub",
        )?;
        Ok(claims)
    }
}

fn part(encoded: &str) -> Result<Value, String> {
    let bytes = URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

fn demand(holds: bool, what: &str) -> Result<(), String> {
    match holds {
        true => Ok(()),
        false => Err(format!("the assertion: {what}")),
    }
}
