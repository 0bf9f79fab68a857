//! Providers, as the use cases see them.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Account, ConnectionConfig, Connector, Credential, RawTokenAnswer, Secret, TokenAnswer,
    TokenFailure,
};

/// Where to send the browser, and what must be remembered until it comes back.
#[derive(Debug, Clone)]
pub struct AuthorizeUrl {
    /// The provider's URL with all parameters, the state among them.
    pub url: Secret,
    /// The `state` in it: 256 random bits, made here (RFC 6749 section 10.12).
    pub state: Secret,
    /// The PKCE verifier whose S256 challenge is in it (RFC 7636).
    pub pkce_verifier: Secret,
}

/// What a provider gives a device without a browser (RFC 8628 section 3.2).
#[derive(Debug, Clone)]
pub struct DeviceAuthorization {
    /// What the device asks with.
    pub device_code: Secret,
    /// What the person enters.
    pub user_code: String,
    /// Where they enter it.
    pub verification_uri: String,
    /// The same with the code in it, where the provider has such a URL.
    pub verification_uri_complete: Option<String>,
    /// How long the codes are good.
    pub time_to_live: Duration,
    /// The shortest time between two questions.
    pub poll_interval: Duration,
}

/// What a provider says about a device code (RFC 8628 section 3.5).
#[derive(Debug, Clone)]
pub enum DeviceAnswer {
    /// The person has not consented yet.
    Pending {
        /// Whether to ask less often from now on, by five seconds.
        slow_down: bool,
    },
    /// The person, or the provider for them, said no (`access_denied`).
    Denied,
    /// The code ran out (`expired_token`).
    Expired,
    /// Here is the token.
    Granted(Box<TokenAnswer>),
}

/// Whose account a token is for, and what else its provider's answer told.
#[derive(Debug, Clone, Default)]
pub struct Identified {
    /// The account, as far as it is told.
    pub account: Account,
    /// Values for the connection config.
    pub learned: ConnectionConfig,
}

/// A connection config that cannot be completed from the provider's API.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DiscoveryFailure {
    /// The API could not be asked, or did not answer.
    #[error(transparent)]
    Call(#[from] TokenFailure),
    /// It answered, but without a value that connecting needs.
    #[error("the provider does not tell {name}: {description}")]
    Missing {
        /// The key in the connection config.
        name: String,
        /// What it is.
        description: String,
    },
}

/// A request that cannot be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UnusableRegistration {
    /// The catalogue entry and the connection's values do not give a usable request.
    #[error(transparent)]
    Invalid(#[from] InvalidRegistration),
    /// The provider's metadata (RFC 8414) is not to be had.
    #[error(transparent)]
    Metadata(#[from] TokenFailure),
}

/// A connector with the values its URLs are made of.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    /// Whose credentials to use.
    pub connector: &'a Connector,
    /// The connection's values, connector-level ones included.
    pub connection_config: &'a ConnectionConfig,
    /// Which of the tokens that the provider issues at once; empty for the main one.
    pub token: &'a str,
}

/// The catalogue entry and the connection's values do not give a usable URL or request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRegistration(
    /// What is missing or not allowed, without secrets.
    pub String,
);

/// Speaks OAuth 2.0 to providers. Calls once: no redirect, no retry, bounded in time and size.
#[async_trait]
pub trait AuthorizationServer: Send + Sync {
    /// Makes an authorization request (RFC 6749 section 4.1.1) with a fresh state and PKCE challenge.
    async fn authorize_url(
        &self,
        registration: Registration<'_>,
        scopes: &[String],
        redirect_uri: &str,
    ) -> Result<AuthorizeUrl, UnusableRegistration>;

    /// The token endpoint that the registration's calls go to (RFC 6749 section 3.2): its URL without the query, in
    /// which there may be what nobody else is to see.
    async fn token_endpoint(
        &self,
        registration: Registration<'_>,
    ) -> Result<String, UnusableRegistration>;

    /// Redeems an authorization code (RFC 6749 section 4.1.3), and makes the exchange that follows where the type has one.
    async fn redeem_code(
        &self,
        registration: Registration<'_>,
        code: &Secret,
        pkce_verifier: &Secret,
        redirect_uri: &str,
    ) -> Result<TokenAnswer, TokenFailure>;

    /// Gets a token by a grant that nobody has to consent to: client credentials (RFC 6749 section 4.4), JWT bearer
    /// (RFC 7523), or the exchange of a subject token (RFC 8693). The answer's refresh token is what
    /// [`AuthorizationServer::redeem_refresh_token`] takes to do the same again.
    async fn obtain(
        &self,
        registration: Registration<'_>,
        subject_token: Option<&Secret>,
        scopes: &[String],
    ) -> Result<TokenAnswer, TokenFailure>;

    /// Asks for a device code (RFC 8628 section 3.1).
    async fn request_device_code(
        &self,
        registration: Registration<'_>,
        scopes: &[String],
    ) -> Result<DeviceAuthorization, TokenFailure>;

    /// Asks once whether the person has consented (RFC 8628 section 3.4).
    async fn redeem_device_code(
        &self,
        registration: Registration<'_>,
        device_code: &Secret,
    ) -> Result<DeviceAnswer, TokenFailure>;

    /// Redeems a refresh token (RFC 6749 section 6), or what stands in its place under the type's grant, repeating the
    /// granted scopes and the redirect URI where the type asks for it. The answer comes back unread, so that it can be
    /// made durable before anything is made of it.
    async fn redeem_refresh_token(
        &self,
        registration: Registration<'_>,
        refresh_token: &Secret,
        scopes: &[String],
        redirect_uri: &str,
    ) -> Result<RawTokenAnswer, TokenFailure>;

    /// Reads the answer to a redeemed refresh token. It calls nobody, and reads the same answer the same way again.
    async fn read_refresh_answer(
        &self,
        registration: Registration<'_>,
        answer: &RawTokenAnswer,
    ) -> Result<TokenAnswer, TokenFailure>;

    /// Ends the grant at the provider (RFC 7009, or the type's own way); `false` where the provider has no way.
    async fn revoke(
        &self,
        registration: Registration<'_>,
        credential: &Credential,
    ) -> Result<bool, TokenFailure>;

    /// Makes the type's calls for connection config values that only its API tells; empty where it has none.
    async fn discover(
        &self,
        registration: Registration<'_>,
        access_token: &Secret,
    ) -> Result<ConnectionConfig, DiscoveryFailure>;

    /// Asks whose account the token is for; empty where the type has no such call.
    async fn identify(
        &self,
        registration: Registration<'_>,
        access_token: &Secret,
    ) -> Result<Identified, TokenFailure>;
}
