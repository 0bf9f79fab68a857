//! How a provider behaves, towards everybody or towards one client; changed at run time.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{mischief::Mischief, rotation::Rotation};

/// How the provider answers; every field may be changed while it runs.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// What the user does at the authorization endpoint.
    pub consent: Consent,
    /// The account that consents, in browsers that are [not signed in](crate::Simulator::sign_in_url) as another.
    pub account: Account,
    /// Lifetime of access tokens; `None` means they do not expire.
    pub access_token_lifetime: Option<Duration>,
    /// Whether `expires_in` is said in answers (some providers let tokens expire without saying so).
    pub announces_lifetime: bool,
    /// Whether refresh tokens are issued at all.
    pub issues_refresh_tokens: bool,
    /// What happens to a refresh token when it is redeemed.
    pub rotation: Rotation,
    /// Whether the use of a spent refresh token ends its whole grant (RFC 9700 section 4.14.2) or is only refused.
    pub reuse_revokes_grant: bool,
    /// After how long without a redemption a refresh token dies; asked when it is presented.
    pub refresh_token_idle_limit: Option<Duration>,
    /// How long after the consent every refresh token dies, however often it was rotated; asked when it is presented.
    pub refresh_token_lifetime: Option<Duration>,
    /// The member of token answers that tells in seconds how long the refresh token has left
    /// (`refresh_expires_in`, `refresh_token_expires_in`), where a limit is set.
    pub announces_refresh_lifetime: Option<String>,
    /// How many live refresh tokens an account may have with one client; one more, and the oldest is dropped without a
    /// word (Google's way). Only tokens issued while a limit is set are counted.
    pub most_refresh_tokens: Option<usize>,
    /// Whether access tokens issued earlier stay valid when their grant is refreshed.
    pub access_token_survives_refresh: bool,
    /// The scopes the user can be made to grant; others are dropped from what was asked. `None` grants all.
    pub grantable_scopes: Option<Vec<String>>,
    /// Whether an authorization request without a PKCE challenge is refused (RFC 7636).
    pub requires_pkce: bool,
    /// The shape of token answers.
    pub token_answer: TokenAnswer,
    /// More members for token answers (an instance URL, a workspace id ...).
    pub extra_answer: Map<String, Value>,
    /// What goes wrong by chance at the token endpoint, where the script says nothing.
    pub mischief: Option<Mischief>,
}

/// What the simulated user does when asked for consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Grants at once.
    Granted,
    /// Refuses: `error=access_denied` (RFC 6749 section 4.1.2.1).
    Denied,
    /// Answers with this other error code.
    Error(String),
}

/// The account at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Stable identifier (`sub`).
    pub sub: String,
    /// Address.
    pub email: String,
    /// Display name.
    pub name: String,
}

/// The shape of a token answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAnswer {
    /// `application/json`, as RFC 6749 section 5.1 has it.
    Json,
    /// `application/x-www-form-urlencoded`, scopes separated by commas, errors with status 200 (GitHub's way).
    Form,
    /// JSON with `ok`, the user's token inside `authed_user`, errors with status 200 (Slack's way).
    Nested,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            consent: Consent::Granted,
            account: Account::default(),
            access_token_lifetime: Some(Duration::from_secs(3600)),
            announces_lifetime: true,
            issues_refresh_tokens: true,
            rotation: Rotation::Strict,
            reuse_revokes_grant: true,
            refresh_token_idle_limit: None,
            refresh_token_lifetime: None,
            announces_refresh_lifetime: None,
            most_refresh_tokens: None,
            access_token_survives_refresh: true,
            grantable_scopes: None,
            requires_pkce: true,
            token_answer: TokenAnswer::Json,
            extra_answer: Map::new(),
            mischief: None,
        }
    }
}

impl Default for Account {
    fn default() -> Self {
        Self {
            sub: "user-1".to_owned(),
            email: "ada@example.com".to_owned(),
            name: "Ada Example".to_owned(),
        }
    }
}
