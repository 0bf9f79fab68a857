//! What a simulated provider is and how it behaves: fixed options at the start, [`Behaviour`] at run time.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde_json::{Map, Value};

use crate::random;

/// What a [`Simulator`](crate::Simulator) is started with.
#[derive(Clone, Debug)]
pub struct SimulatorOptions {
    /// Where to listen; the default is an ephemeral port of 127.0.0.1.
    pub listen: SocketAddr,
    /// The OAuth clients known from the start; more can be registered later.
    pub clients: Vec<Client>,
    /// How the provider behaves until it is changed.
    pub behaviour: Behaviour,
}

/// An OAuth client registered at the provider.
#[derive(Clone)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: String,
    /// The exact redirect URIs that are allowed; when empty, any URI on a loopback host is.
    pub redirect_uris: Vec<String>,
}

/// How the provider answers; every field may be changed while it runs.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// What the user does at the authorization endpoint.
    pub consent: Consent,
    /// The account that consents.
    pub account: Account,
    /// Lifetime of access tokens; `None` means they do not expire.
    pub access_token_lifetime: Option<Duration>,
    /// Whether `expires_in` is said in answers (some providers let tokens expire without saying so).
    pub announces_lifetime: bool,
    /// Whether refresh tokens are issued at all.
    pub issues_refresh_tokens: bool,
    /// What happens to a refresh token when it is redeemed.
    pub rotation: Rotation,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Stable identifier (`sub`).
    pub sub: String,
    /// Address.
    pub email: String,
    /// Display name.
    pub name: String,
}

/// What happens to a refresh token when it is redeemed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It stays valid and no other is issued.
    None,
    /// A successor is issued; the old one may be redeemed again within the window, counted from its first
    /// redemption. Afterwards its use revokes the whole family.
    Overlap {
        /// How long the old one is still accepted.
        window: Duration,
    },
    /// A successor is issued and the old one is dead; its use revokes the whole family (RFC 9700 section 4.14.2).
    Strict,
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

impl Client {
    /// A client with a fresh random secret and no registered redirect URI.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: random::id("secret-sim-"),
            redirect_uris: Vec::new(),
        }
    }

    /// The same client with one more exact redirect URI.
    #[must_use]
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("redirect_uris", &self.redirect_uris)
            .finish_non_exhaustive()
    }
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clients: Vec::new(),
            behaviour: Behaviour::default(),
        }
    }
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
            access_token_survives_refresh: true,
            grantable_scopes: None,
            requires_pkce: true,
            token_answer: TokenAnswer::Json,
            extra_answer: Map::new(),
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
