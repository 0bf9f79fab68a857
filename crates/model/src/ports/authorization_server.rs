//! Providers, as the use cases see them.

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

/// A connector with the values its URLs are made of.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    /// Whose credentials to use.
    pub connector: &'a Connector,
    /// The connection's values, connector-level ones included.
    pub connection_config: &'a ConnectionConfig,
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
    fn authorize_url(
        &self,
        registration: Registration<'_>,
        scopes: &[String],
        redirect_uri: &str,
    ) -> Result<AuthorizeUrl, InvalidRegistration>;

    /// The token endpoint that the registration's calls go to (RFC 6749 section 3.2): its URL without the query, in
    /// which there may be what nobody else is to see.
    fn token_endpoint(&self, registration: Registration<'_>)
    -> Result<String, InvalidRegistration>;

    /// Redeems an authorization code (RFC 6749 section 4.1.3).
    async fn redeem_code(
        &self,
        registration: Registration<'_>,
        code: &Secret,
        pkce_verifier: &Secret,
        redirect_uri: &str,
    ) -> Result<TokenAnswer, TokenFailure>;

    /// Redeems a refresh token (RFC 6749 section 6), repeating the granted scopes where the type asks for it. The
    /// answer comes back unread, so that it can be made durable before anything is made of it.
    async fn redeem_refresh_token(
        &self,
        registration: Registration<'_>,
        refresh_token: &Secret,
        scopes: &[String],
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

    /// Asks whose account the token is for; empty where the type has no such call.
    async fn identify(
        &self,
        registration: Registration<'_>,
        access_token: &Secret,
    ) -> Result<Account, TokenFailure>;
}
