//! `[token]`: the token endpoint, the requests to it, and the layout of its answers.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{ClientAuth, Encoding, Param, Pointer, Setting, Template, WithoutExpiresIn};

/// `[token]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The token endpoint, for codes and refresh tokens alike unless `refresh.url` says otherwise.
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
    /// Parameters sent with the request that makes the connection, beside those of the grant. Renewals have their own.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
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
    /// Tokens that come with the main one in the same answer, each renewed by itself.
    #[serde(default)]
    pub other: Vec<OtherToken>,
}

/// `[token.answer]`, `[refresh.answer]`, `[exchange.answer]`: the layout of a token answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// The object that holds the token's members; the first of these that is there. Empty: the answer itself.
    pub root: Vec<Pointer>,
    /// The member with the access token.
    pub access_token: String,
    /// The member with the refresh token.
    pub refresh_token: String,
    /// The member with the seconds the access token has.
    pub expires_in: String,
    /// The member with the time it ends (RFC 3339), where the provider gives that instead.
    pub expires_at: Option<String>,
    /// The member with the granted scopes: a text, a list, or an object of names and levels (read as `name:level`).
    pub scope: String,
}

/// `[[token.other]]`: a further token of the same answer, such as Slack's user token beside the bot's.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherToken {
    /// The name callers ask for.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Where it is. An answer without it has none: the connection then has only the main token.
    pub answer: Answer,
    /// The parameter of the authorization request that carries this token's scopes. A scope is this token's where its name
    /// stands before it, as in `user:chat:write`; it is sent without the name.
    pub scope_param: Option<String>,
    /// The layout of the answer to its refresh.
    #[serde(default)]
    pub refresh_answer: Answer,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            root: Vec::new(),
            access_token: "access_token".to_owned(),
            refresh_token: "refresh_token".to_owned(),
            expires_in: "expires_in".to_owned(),
            expires_at: None,
            scope: "scope".to_owned(),
        }
    }
}
