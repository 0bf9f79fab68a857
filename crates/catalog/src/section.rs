//! The sections of a definition file that the OAuth crate carries out, with their defaults.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    ClientAuth, Encoding, ErrorMeaning, Method, Pattern, Pointer, RevocableToken, RevokeAuth,
    Separator, Setting, Template, WithoutExpiresIn,
};

/// `[authorize]`: the authorization request (RFC 6749 section 4.1.1).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorize {
    /// The authorization endpoint.
    pub url: Template,
    /// Whether an S256 challenge is sent (RFC 7636).
    #[serde(default = "yes")]
    pub pkce: bool,
    /// The parameter that carries the scopes; empty where the provider has none.
    #[serde(default = "scope")]
    pub scope_param: String,
    /// What stands between two scopes.
    #[serde(default)]
    pub scope_separator: Setting<Separator>,
    /// Parameters sent with each request.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
}

/// `[token]`: the token endpoint and the requests to it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The token endpoint, for codes and refresh tokens alike.
    pub url: Template,
    /// How the client proves itself.
    #[serde(default)]
    pub auth: Setting<ClientAuth>,
    /// What the request body is written in.
    #[serde(default)]
    pub encoding: Encoding,
    /// Headers sent with each request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What an answer without `expires_in` means.
    #[serde(default)]
    pub without_expires_in: WithoutExpiresIn,
    /// How the token is to be sent, where the answer's `token_type` speaks of something else.
    pub token_type: Option<String>,
    /// The member with the seconds that the refresh token has left, where the provider tells.
    pub refresh_expires_in: Option<String>,
    /// Where the answer to a code differs from RFC 6749 section 5.1.
    #[serde(default)]
    pub answer: Answer,
}

/// `[token.answer]`, `[refresh.answer]`: the layout of a token answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The object that holds the token's members.
    #[serde(default)]
    pub root: Pointer,
}

/// `[errors]`: how the provider reports errors, where RFC 6749 section 5.2 does not say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errors {
    /// A boolean that is true in each success; anything else there is an error whatever the status.
    pub ok: Option<Pointer>,
    /// The provider's own error codes and what they mean.
    #[serde(default)]
    pub codes: BTreeMap<String, ErrorMeaning>,
}

/// `[revoke]`: how a grant is ended at the provider; RFC 7009 unless said otherwise.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// The revocation endpoint; `{client_id}` may stand in its path.
    pub url: Template,
    /// The method.
    #[serde(default = "post")]
    pub method: Method,
    /// How the request proves itself.
    #[serde(default)]
    pub auth: RevokeAuth,
    /// What the body is written in.
    #[serde(default)]
    pub encoding: Encoding,
    /// The body's member that holds the token.
    #[serde(default = "token")]
    pub param: String,
    /// The tokens it takes, the preferred one first.
    #[serde(default = "refresh_token_first")]
    pub accepts: Vec<RevocableToken>,
    /// Headers sent with the request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// `[identity]`: the call that tells whose account a token is for. In each list the first pointer that leads to
/// something counts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The endpoint.
    pub url: Template,
    /// The method.
    #[serde(default = "get")]
    pub method: Method,
    /// Headers sent with the request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Where the account's id is.
    #[serde(default)]
    pub id: Vec<Pointer>,
    /// Where its e-mail address is.
    #[serde(default)]
    pub email: Vec<Pointer>,
    /// Where its name is.
    #[serde(default)]
    pub name: Vec<Pointer>,
}

/// `[[capture]]`: a value of the token answer that is kept in the connection config.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// The key in the connection config.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Where it is in the token answer, from its top.
    pub pointer: Pointer,
    /// What the whole value has to match; another one is not kept.
    pub pattern: Pattern,
}

fn yes() -> bool {
    true
}

fn scope() -> String {
    "scope".to_owned()
}

fn token() -> String {
    "token".to_owned()
}

fn get() -> Method {
    Method::Get
}

fn post() -> Method {
    Method::Post
}

fn refresh_token_first() -> Vec<RevocableToken> {
    vec![RevocableToken::RefreshToken, RevocableToken::AccessToken]
}
