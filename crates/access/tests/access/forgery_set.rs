//! Tokens that must open no door (threat T-10, RFC 8725).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use rsa::{
    BigUint, RsaPublicKey,
    pkcs8::{EncodePublicKey, LineEnding},
};
use serde_json::{Value, json};

use crate::{
    clock::StandingClock,
    signing_key::{SigningKey, unsigned},
};

/// What a forger has: the issuer's public keys, a key of its own, and a key set that is published elsewhere.
pub(crate) struct Forger {
    /// The issuer's, as `k1`. What the forger gets signed with it are the issuer's tokens for something else.
    pub(crate) ec: SigningKey,
    /// The issuer's, as `r1`.
    pub(crate) rsa: SigningKey,
    /// The forger's, as `k1`.
    pub(crate) own: SigningKey,
    /// Where the forger's key set is.
    pub(crate) own_set: String,
}

impl Forger {
    /// The set, made from the claims of a good token.
    pub(crate) fn tokens(&self, claims: &Value) -> Vec<(String, String)> {
        let mut set = self.unsigned(claims);
        set.extend(self.with_shared_secrets(claims));
        set.extend(self.with_own_keys(claims));
        set.extend(self.with_other_claims(claims));
        set.extend(self.misshapen(claims));
        set
    }

    fn unsigned(&self, claims: &Value) -> Vec<(String, String)> {
        let good = self.ec.sign(claims);
        let (_, signature) = good.rsplit_once('.').unwrap();
        let mut set = Vec::new();
        for alg in ["none", "None", "NONE", "nOnE", ""] {
            let header = json!({ "alg": alg, "kid": "k1", "typ": "JWT" }).to_string();
            let body = unsigned(&header, &claims.to_string());
            set.push((format!("alg {alg:?}"), format!("{body}.")));
            set.push((
                format!("alg {alg:?}, a signature"),
                format!("{body}.{signature}"),
            ));
        }
        let header = json!({ "alg": "ES256", "kid": "k1" }).to_string();
        let body = unsigned(&header, &claims.to_string());
        set.push(("no signature".to_owned(), format!("{body}.")));
        let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
        set.push(("a signature of zeros".to_owned(), format!("{body}.{zeros}")));
        let mut other = claims.clone();
        other["sub"] = json!("root");
        let body = unsigned(&header, &other.to_string());
        set.push((
            "another's signature".to_owned(),
            format!("{body}.{signature}"),
        ));
        set
    }

    fn with_shared_secrets(&self, claims: &Value) -> Vec<(String, String)> {
        let jwk = self.rsa.jwk();
        let number = |name: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
            BigUint::from_bytes_be(&bytes)
        };
        let public = RsaPublicKey::new(number("n"), number("e")).unwrap();
        let pem = public.to_public_key_pem(LineEnding::LF).unwrap();
        let secrets = [
            ("PEM", pem.clone().into_bytes()),
            ("PEM, no last line break", pem.trim_end().as_bytes().into()),
            (
                "DER",
                public.to_public_key_der().unwrap().as_bytes().to_vec(),
            ),
            ("JWK", jwk.to_string().into_bytes()),
            ("modulus", number("n").to_bytes_be()),
            ("nothing", Vec::new()),
        ];
        let mut set = Vec::new();
        for (name, secret) in secrets {
            for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                let forger = SigningKey::new("r1", algorithm, EncodingKey::from_secret(&secret));
                let name = format!("{algorithm:?}, the RSA public key's {name} as secret");
                set.push((name, forger.sign(claims)));
            }
        }
        set
    }

    fn with_own_keys(&self, claims: &Value) -> Vec<(String, String)> {
        let url = &self.own_set;
        let headers = [
            ("an own key", json!({})),
            ("jku", json!({ "jku": url })),
            ("x5u", json!({ "x5u": url })),
            ("jwk", json!({ "jwk": self.own.jwk() })),
            ("x5c", json!({ "x5c": ["MIIB"] })),
            ("kid is a path", json!({ "kid": "../../../../dev/null" })),
            ("kid is the key set's URL", json!({ "kid": url })),
            ("kid is SQL", json!({ "kid": "' or '1'='1" })),
            ("kid of a key of another type", json!({ "kid": "r1" })),
            ("kid is empty", json!({ "kid": "" })),
            ("kid is a number", json!({ "kid": 1 })),
            ("no kid", json!({ "kid": null })),
        ];
        let sign = |(name, more): (&str, Value)| {
            let mut header = json!({ "alg": "ES256", "kid": "k1", "typ": "JWT" });
            let more = more.as_object().unwrap().clone();
            header.as_object_mut().unwrap().extend(more);
            let token = self.own.sign_text(&header.to_string(), &claims.to_string());
            (format!("{name}, signed by an own key"), token)
        };
        headers.into_iter().map(sign).collect()
    }

    /// Signed by the issuer, and not for this.
    fn with_other_claims(&self, claims: &Value) -> Vec<(String, String)> {
        let now = StandingClock::START;
        let other = |name: &str, value: Value| {
            let mut claims = claims.clone();
            claims[name] = value;
            claims
        };
        let mut set = Vec::new();
        for (name, value) in [
            ("exp", json!((now + 3600).to_string())),
            ("exp", json!([now + 3600])),
            ("exp", json!({ "value": now + 3600 })),
            ("exp", json!(true)),
            ("exp", json!(null)),
            ("exp", json!(1e300)),
            ("exp", json!(-1)),
            ("exp", json!(0)),
            ("exp", json!(now - 10)),
            ("exp", json!(now - 3600)),
            ("nbf", json!(now + 60)),
            ("nbf", json!((now - 60).to_string())),
            ("iat", json!(now + 60)),
            ("iat", json!({})),
            ("iat", json!(now.to_string())),
            ("aud", json!("somebody-else")),
            ("aud", json!(["somebody", "else"])),
            ("aud", json!([])),
            ("aud", json!("")),
            ("aud", json!(null)),
            ("aud", json!({ "tokend": true })),
            ("aud", json!(["tokend", 7])),
            ("aud", json!("TOKEND")),
            ("iss", json!("https://another.test")),
            ("iss", json!([claims["iss"]])),
            (
                "iss",
                json!(format!("{}/", claims["iss"].as_str().unwrap())),
            ),
            ("iss", json!("")),
            ("iss", json!(null)),
            ("sub", json!(7)),
            ("sub", json!("")),
            ("sub", json!(["jane"])),
            ("sub", json!("jane\u{0}root")),
            ("sub", json!("j".repeat(300))),
        ] {
            let mut shown = value.to_string();
            shown.truncate(60);
            set.push((format!("{name} {shown}"), self.ec.sign(&other(name, value))));
        }
        for name in ["exp", "aud", "iat", "iss", "sub"] {
            let mut claims = claims.clone();
            claims.as_object_mut().unwrap().remove(name);
            set.push((format!("no {name}"), self.ec.sign(&claims)));
        }
        set
    }

    /// Signed by the issuer, in a shape that others may read otherwise.
    fn misshapen(&self, claims: &Value) -> Vec<(String, String)> {
        let header = json!({ "alg": "ES256", "kid": "k1", "typ": "JWT" });
        let with = |name: &str, value: Value| {
            let mut header = header.clone();
            header[name] = value;
            self.ec.sign_text(&header.to_string(), &claims.to_string())
        };
        let twice = |object: &Value, entry: &str| {
            let object = object.to_string();
            format!("{},{entry}}}", &object[..object.len() - 1])
        };
        let (head, body) = (header.to_string(), claims.to_string());
        let good = self.ec.sign(claims);
        let set = [
            ("crit", with("crit", json!(["exp"]))),
            ("crit b64", with("crit", json!(["b64"]))),
            ("empty crit", with("crit", json!([]))),
            ("typ logout+jwt", with("typ", json!("logout+jwt"))),
            ("typ dpop+jwt", with("typ", json!("dpop+jwt"))),
            ("typ JOSE", with("typ", json!("JOSE"))),
            ("typ a list", with("typ", json!(["JWT"]))),
            ("alg not the key's", with("alg", json!("ES384"))),
            ("alg of another family", with("alg", json!("RS256"))),
            (
                "claim twice",
                self.ec.sign_text(&head, &twice(claims, r#""sub":"root""#)),
            ),
            (
                "audience twice",
                self.ec
                    .sign_text(&head, &twice(claims, r#""aud":"tokend""#)),
            ),
            (
                "unused claim twice",
                self.ec.sign_text(&head, &twice(claims, r#""x":1,"x":2"#)),
            ),
            (
                "alg twice",
                self.ec
                    .sign_text(&twice(&header, r#""alg":"ES256""#), &body),
            ),
            (
                "kid twice",
                self.ec.sign_text(&twice(&header, r#""kid":"k1""#), &body),
            ),
            ("claims are a list", self.ec.sign_text(&head, "[]")),
            ("claims are no JSON", self.ec.sign_text(&head, "{")),
            ("header is no JSON", self.ec.sign_text("{", &body)),
            ("1 MB", {
                let mut claims = claims.clone();
                claims["pad"] = json!("x".repeat(1 << 20));
                self.ec.sign(&claims)
            }),
            ("1 MB of dots", ".".repeat(1 << 20)),
            ("padding", format!("{good}=")),
            ("a fourth part", format!("{good}.")),
            ("five parts", format!("{good}.x.y")),
            ("dots", "..".to_owned()),
        ];
        set.into_iter()
            .map(|(name, token)| (name.to_owned(), token))
            .collect()
    }
}
