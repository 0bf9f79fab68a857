//! What the grants other than a plain authorization code need: `[client]`, `[device]`, `[assertion]`, `[subject]`,
//! `[metadata]`, `[credential]`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{AssertionPlace, Param, Pattern, Template};

/// `[client]`: what the provider calls the client's id and secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Client {
    /// The parameter with the client id.
    pub id_param: String,
    /// The parameter with the client secret.
    pub secret_param: String,
}

/// `[device]`: the device authorization request (RFC 8628 section 3.1).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// The device authorization endpoint.
    pub url: Template,
    /// Parameters sent with the request.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// The grant type of the polling request.
    #[serde(default = "device_code")]
    pub grant_type: String,
}

/// `[assertion]`: the JWT that the client signs with its private key, which is given as the connector's client secret:
/// PEM, a JWK, or a JSON key file that has a `private_key`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// `aud`. Absent: the token endpoint.
    pub audience: Option<String>,
    /// `iss`; `{client_id}` or a value of the connection config.
    #[serde(default = "client_id")]
    pub issuer: Param,
    /// `sub`: on whose behalf. Left out where its value is not given.
    pub subject: Option<Param>,
    /// The claim with the scopes, separated by spaces, where they are claims.
    pub scope_claim: Option<String>,
    /// How long it is good for, in seconds; at most an hour.
    #[serde(default = "five_minutes")]
    pub lifetime_seconds: u32,
    /// How it travels.
    #[serde(default)]
    pub place: AssertionPlace,
}

/// `[subject]`: the token that is exchanged (RFC 8693 section 2.1).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectToken {
    /// `subject_token_type`.
    pub token_type: Param,
    /// `audience`, `resource` and the like.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
}

/// `[metadata]`: the provider's own description of its endpoints (RFC 8414, OpenID Connect Discovery). The other URLs may
/// then be `{authorization_endpoint}`, `{token_endpoint}`, `{revocation_endpoint}`, `{userinfo_endpoint}` or
/// `{device_authorization_endpoint}`; one that the document does not have is a call that the provider does not have.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Where the document is.
    pub url: Template,
    /// The `issuer` it has to name (RFC 8414 section 3.3).
    pub issuer: Template,
}

/// `[credential]`: what a person enters, where the grant is `static`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticCredential {
    /// The label of the input.
    pub display_name: String,
    /// Where to find it.
    pub description: String,
    /// An example of its form.
    #[serde(default)]
    pub placeholder: String,
    /// What the whole value has to match.
    pub pattern: Option<Pattern>,
    /// What to tell a person whose value does not match.
    #[serde(default)]
    pub pattern_error: String,
    /// Whether it is a user name and a password (RFC 7617).
    #[serde(default)]
    pub basic: bool,
}

impl Metadata {
    /// The members of the document that other URLs may name.
    pub const ENDPOINTS: [&str; 5] = [
        "authorization_endpoint",
        "token_endpoint",
        "revocation_endpoint",
        "userinfo_endpoint",
        "device_authorization_endpoint",
    ];
}

impl Default for Client {
    fn default() -> Self {
        Self {
            id_param: "client_id".to_owned(),
            secret_param: "client_secret".to_owned(),
        }
    }
}

fn device_code() -> String {
    "urn:ietf:params:oauth:grant-type:device_code".to_owned()
}

fn client_id() -> Param {
    Param::Value("client_id".to_owned())
}

fn five_minutes() -> u32 {
    300
}
