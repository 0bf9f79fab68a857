//! `[authorize]`: the authorization request (RFC 6749 section 4.1.1).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Param, Separator, Setting, Template};

/// `[authorize]`
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
    /// What stands between two scopes, here and wherever else scopes are sent.
    #[serde(default)]
    pub scope_separator: Setting<Separator>,
    /// Parameters sent with each request.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// How many seconds a code can be redeemed; only where that is less than the minutes usual elsewhere.
    pub code_lifetime_seconds: Option<u32>,
}

fn yes() -> bool {
    true
}

fn scope() -> String {
    "scope".to_owned()
}
