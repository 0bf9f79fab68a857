//! The calls beside the token endpoint: `[exchange]`, `[revoke]`, `[identity]`, `[[discovery]]`, and what is learnt from
//! their answers.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::section::Answer;
use crate::{CallAuth, CallEncoding, Method, Param, Pattern, Pointer, RevocableToken, Template};

/// A call as its section describes it. Beside the values of the connection config, a parameter may be `{token}` (the
/// token the call is about), `{client_id}` or `{client_secret}`; a URL may hold `{client_id}`.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The endpoint.
    pub url: &'a Template,
    /// The method.
    pub method: Method,
    /// How it proves itself.
    pub auth: CallAuth,
    /// Where the parameters go.
    pub encoding: CallEncoding,
    /// The parameters.
    pub params: &'a BTreeMap<String, Param>,
    /// A whole JSON body instead of parameters.
    pub body: Option<&'a str>,
    /// Headers sent with it.
    pub headers: &'a BTreeMap<String, String>,
}

/// `[exchange]`: a call right after the code was redeemed, whose answer's token takes the place of the first.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// The endpoint.
    pub url: Template,
    /// The method.
    #[serde(default = "post")]
    pub method: Method,
    /// How it proves itself.
    #[serde(default = "none")]
    pub auth: CallAuth,
    /// Where the parameters go.
    #[serde(default)]
    pub encoding: CallEncoding,
    /// The parameters; `{token}` is the first answer's access token.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// Headers sent with it.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The layout of its answer.
    #[serde(default)]
    pub answer: Answer,
}

/// `[revoke]`: how a grant is ended at the provider; RFC 7009 unless said otherwise.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// The revocation endpoint.
    pub url: Template,
    /// The method.
    #[serde(default = "post")]
    pub method: Method,
    /// How it proves itself.
    #[serde(default = "as_token")]
    pub auth: CallAuth,
    /// Where the parameters go.
    #[serde(default)]
    pub encoding: CallEncoding,
    /// The parameters; `{token}` is the token to be revoked.
    #[serde(default = "token")]
    pub params: BTreeMap<String, Param>,
    /// Headers sent with it.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The tokens it takes, the preferred one first.
    #[serde(default = "refresh_token_first")]
    pub accepts: Vec<RevocableToken>,
}

/// `[identity]`: the call that tells whose account a token is for. In each list the first entry that leads to
/// something counts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The endpoint.
    pub url: Template,
    /// The method.
    #[serde(default = "get")]
    pub method: Method,
    /// How it proves itself; `{token}` in a parameter is the access token.
    #[serde(default = "bearer")]
    pub auth: CallAuth,
    /// Where the parameters go.
    #[serde(default)]
    pub encoding: CallEncoding,
    /// The parameters.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// A whole JSON body, such as a GraphQL query, instead of parameters.
    pub body: Option<String>,
    /// Headers sent with it.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Where the account's id is.
    #[serde(default)]
    pub id: Vec<Pointer>,
    /// Where its e-mail address is.
    #[serde(default)]
    pub email: Vec<Pointer>,
    /// Where its name is: a pointer, or a list of pointers whose values are joined by spaces.
    #[serde(default)]
    pub name: Vec<NamePart>,
}

/// `[[discovery]]`: a call right after the token came, for values of the connection config that only the API tells.
/// The calls are made in their order; later ones may use what earlier ones found.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discovery {
    /// The endpoint.
    pub url: Template,
    /// The method.
    #[serde(default = "get")]
    pub method: Method,
    /// How it proves itself.
    #[serde(default = "bearer")]
    pub auth: CallAuth,
    /// Where the parameters go.
    #[serde(default)]
    pub encoding: CallEncoding,
    /// The parameters.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// A whole JSON body instead of parameters.
    pub body: Option<String>,
    /// Headers sent with it.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The list of things to choose one of, in the answer. Absent: the answer is about one thing.
    pub list: Option<Pointer>,
    /// Which element of the list is meant; without it, or while its value is not given, the first.
    pub only: Option<Only>,
    /// What is kept; pointers start at the chosen element, or at the answer.
    pub capture: Vec<Capture>,
}

/// `only = { pointer = "/url", equals = "https://{subdomain}.example.com" }`: chooses an element of a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Only {
    /// A value of each element.
    pub pointer: Pointer,
    /// What it has to be, with `{name}` for values of the connection config. Compared without regard to case.
    pub equals: String,
}

/// `[[capture]]`: a value that is learnt while connecting and kept in the connection config.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// The key in the connection config.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Where it comes from. In a `[[discovery]]` it is always that call's answer.
    #[serde(default)]
    pub from: CaptureFrom,
    /// Where it is; for a callback, the parameter's name after a slash.
    pub pointer: Pointer,
    /// What the whole value has to match; another one is not kept.
    pub pattern: Pattern,
    /// Taken where there is none.
    pub default: Option<String>,
    /// Whether connecting fails without it.
    #[serde(default)]
    pub required: bool,
}

/// Where a captured value comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureFrom {
    /// The answer of the token endpoint, from its top; read again with each renewal.
    #[default]
    TokenAnswer,
    /// A parameter of the provider's callback.
    Callback,
    /// The answer of the identity call.
    Identity,
    /// A claim of the ID token that came with the access token (OpenID Connect Core section 2). It came straight from
    /// the token endpoint, so its signature is not checked (section 3.1.3.7).
    IdToken,
}

/// One way to a name: a pointer, or several whose values are joined by spaces.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum NamePart {
    /// The whole name.
    One(Pointer),
    /// Its parts, in order; those that are not there are left out.
    Joined(Vec<Pointer>),
}

impl Exchange {
    /// The call.
    pub fn call(&self) -> Call<'_> {
        Call {
            url: &self.url,
            method: self.method,
            auth: self.auth,
            encoding: self.encoding,
            params: &self.params,
            body: None,
            headers: &self.headers,
        }
    }
}

impl Revoke {
    /// The call.
    pub fn call(&self) -> Call<'_> {
        Call {
            url: &self.url,
            method: self.method,
            auth: self.auth,
            encoding: self.encoding,
            params: &self.params,
            body: None,
            headers: &self.headers,
        }
    }
}

impl Identity {
    /// The call.
    pub fn call(&self) -> Call<'_> {
        Call {
            url: &self.url,
            method: self.method,
            auth: self.auth,
            encoding: self.encoding,
            params: &self.params,
            body: self.body.as_deref(),
            headers: &self.headers,
        }
    }
}

impl Discovery {
    /// The call.
    pub fn call(&self) -> Call<'_> {
        Call {
            url: &self.url,
            method: self.method,
            auth: self.auth,
            encoding: self.encoding,
            params: &self.params,
            body: self.body.as_deref(),
            headers: &self.headers,
        }
    }
}

fn get() -> Method {
    Method::Get
}

fn post() -> Method {
    Method::Post
}

fn none() -> CallAuth {
    CallAuth::None
}

fn bearer() -> CallAuth {
    CallAuth::Bearer
}

fn as_token() -> CallAuth {
    CallAuth::AsToken
}

fn token() -> BTreeMap<String, Param> {
    BTreeMap::from([("token".to_owned(), Param::Value("token".to_owned()))])
}

fn refresh_token_first() -> Vec<RevocableToken> {
    vec![RevocableToken::RefreshToken, RevocableToken::AccessToken]
}
