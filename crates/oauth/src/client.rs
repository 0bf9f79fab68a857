//! The client of all providers: the port `AuthorizationServer` over HTTP.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    EndpointNotSet, EndpointSet, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    StandardRevocableToken, StandardTokenResponse, TokenResponse, TokenUrl,
};
use tokend_catalog::{Answer, Catalogue, ClientAuth, Definition, WithoutExpiresIn};
use tokend_model::ports::{
    AuthorizationServer, AuthorizeUrl, Clock, InvalidRegistration, Registration,
};
use tokend_model::{
    Account, Credential, Expiry, RawTokenAnswer, Secret, Timestamp, TokenAnswer, TokenFailure,
    TokenFailureKind,
};

use crate::OAuthOptions;
use crate::account::identify;
use crate::adapter::{Adapter, answered};
use crate::answer::{self, Beyond};
use crate::failure::failure;
use crate::provider::{Provider, not_sent};
use crate::revocation::revoke;
use crate::transport::Transport;

type Answered = StandardTokenResponse<Beyond, BasicTokenType>;
type Speaker<Auth, Token> = Client<
    BasicErrorResponse,
    Answered,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    Auth,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    Token,
>;

/// Speaks OAuth 2.0 to every provider of the catalogue.
pub struct OAuthClient {
    transport: Transport,
    catalogue: Arc<Catalogue>,
}

/// The HTTP client could not be made: its TLS has no provider or no roots.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for providers cannot be made")]
pub struct HttpClientUnavailable(#[source] reqwest::Error);

impl OAuthClient {
    /// A client within the given bounds. A TLS crypto provider has to be installed before.
    pub fn new(
        options: &OAuthOptions,
        catalogue: Arc<Catalogue>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, HttpClientUnavailable> {
        Ok(Self {
            transport: Transport::new(options, clock).map_err(HttpClientUnavailable)?,
            catalogue,
        })
    }

    fn provider<'a>(&self, registration: Registration<'a>) -> Result<Provider<'a>, TokenFailure> {
        Provider::find(&self.catalogue, registration).map_err(not_sent)
    }

    fn adapter<'a>(&'a self, definition: &'a Definition) -> Adapter<'a> {
        Adapter {
            transport: &self.transport,
            definition,
        }
    }
}

#[async_trait]
impl AuthorizationServer for OAuthClient {
    fn authorize_url(
        &self,
        registration: Registration<'_>,
        scopes: &[String],
        redirect_uri: &str,
    ) -> Result<AuthorizeUrl, InvalidRegistration> {
        let provider = Provider::find(&self.catalogue, registration)?;
        let authorize = &provider.definition.authorize;
        let url = AuthUrl::from_url(provider.url(&authorize.url)?);
        let client = speaker(&provider).set_auth_uri(url);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client
            .authorize_url(|| CsrfToken::new_random_len(32))
            .set_redirect_uri(Cow::Owned(parse_redirect_uri(redirect_uri)?));
        if authorize.pkce {
            request = request.set_pkce_challenge(challenge);
        }
        if !authorize.scope_param.is_empty() && !scopes.is_empty() {
            let separator = authorize
                .scope_separator
                .resolve(|name| provider.value(name))
                .map_err(|error| InvalidRegistration(error.to_string()))?;
            let joined = scopes.join(separator.as_str());
            request = request.add_extra_param(authorize.scope_param.clone(), joined);
        }
        for (name, value) in &authorize.params {
            request = request.add_extra_param(name, value);
        }
        let (url, state) = request.url();
        Ok(AuthorizeUrl {
            url: Secret::new(url),
            state: Secret::new(state.into_secret()),
            pkce_verifier: Secret::new(verifier.into_secret()),
        })
    }

    fn token_endpoint(
        &self,
        registration: Registration<'_>,
    ) -> Result<String, InvalidRegistration> {
        let provider = Provider::find(&self.catalogue, registration)?;
        let mut url = provider.url(&provider.definition.token.url)?;
        url.set_query(None);
        Ok(url.into())
    }

    async fn redeem_code(
        &self,
        registration: Registration<'_>,
        code: &Secret,
        pkce_verifier: &Secret,
        redirect_uri: &str,
    ) -> Result<TokenAnswer, TokenFailure> {
        let provider = self.provider(registration)?;
        let definition = &*provider.definition;
        let client = token_speaker(&provider).map_err(not_sent)?;
        let redirect_uri = parse_redirect_uri(redirect_uri).map_err(not_sent)?;
        let mut request = client
            .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
            .set_redirect_uri(Cow::Owned(redirect_uri));
        if definition.authorize.pkce {
            let verifier = PkceCodeVerifier::new(pkce_verifier.expose().to_owned());
            request = request.set_pkce_verifier(verifier);
        }
        let http = self.adapter(definition);
        let raw = answered(request.request_async(&http).await)?;
        token_answer(definition, &definition.token.answer, &raw)
    }

    async fn redeem_refresh_token(
        &self,
        registration: Registration<'_>,
        refresh_token: &Secret,
        scopes: &[String],
    ) -> Result<RawTokenAnswer, TokenFailure> {
        let provider = self.provider(registration)?;
        let definition = &*provider.definition;
        let client = token_speaker(&provider).map_err(not_sent)?;
        let refresh_token = RefreshToken::new(refresh_token.expose().to_owned());
        let mut request = client.exchange_refresh_token(&refresh_token);
        if definition.refresh.repeat_scopes {
            request = request.add_scopes(scopes.iter().cloned().map(oauth2::Scope::new));
        }
        let http = self.adapter(definition);
        answered(request.request_async(&http).await)
    }

    async fn read_refresh_answer(
        &self,
        registration: Registration<'_>,
        answer: &RawTokenAnswer,
    ) -> Result<TokenAnswer, TokenFailure> {
        // The answer is there, so what stands in the way of reading it is never a request that was not sent.
        let provider = Provider::find(&self.catalogue, registration)
            .map_err(|invalid| failure(TokenFailureKind::Garbage, invalid.0))?;
        let definition = &*provider.definition;
        token_answer(definition, &definition.refresh.answer, answer)
    }

    async fn revoke(
        &self,
        registration: Registration<'_>,
        credential: &Credential,
    ) -> Result<bool, TokenFailure> {
        revoke(&self.transport, &self.provider(registration)?, credential).await
    }

    async fn identify(
        &self,
        registration: Registration<'_>,
        access_token: &Secret,
    ) -> Result<Account, TokenFailure> {
        identify(&self.transport, &self.provider(registration)?, access_token).await
    }
}

fn speaker(provider: &Provider<'_>) -> Speaker<EndpointNotSet, EndpointNotSet> {
    Client::new(ClientId::new(
        provider.registration.connector.client_id.clone(),
    ))
}

fn token_speaker(
    provider: &Provider<'_>,
) -> Result<Speaker<EndpointNotSet, EndpointSet>, InvalidRegistration> {
    let url = TokenUrl::from_url(provider.url(&provider.definition.token.url)?);
    let client = speaker(provider).set_token_uri(url);
    let secret = provider.registration.connector.client_secret.as_ref();
    let (auth_type, secret) = match provider.client_auth()? {
        ClientAuth::ClientSecretBasic => (AuthType::BasicAuth, secret),
        ClientAuth::ClientSecretPost => (AuthType::RequestBody, secret),
        ClientAuth::None => (AuthType::RequestBody, None),
    };
    let client = client.set_auth_type(auth_type);
    Ok(match secret {
        Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
        None => client,
    })
}

fn parse_redirect_uri(redirect_uri: &str) -> Result<RedirectUrl, InvalidRegistration> {
    RedirectUrl::new(redirect_uri.to_owned())
        .map_err(|_| InvalidRegistration("the redirect URI is not a URL".to_owned()))
}

/// What a token endpoint's answer says, read in the oauth2 crate's terms.
fn token_answer(
    definition: &Definition,
    layout: &Answer,
    raw: &RawTokenAnswer,
) -> Result<TokenAnswer, TokenFailure> {
    let standard = answer::read(definition, layout, raw)?;
    let answered: Answered = serde_json::to_value(standard)
        .and_then(serde_json::from_value)
        // The error may quote the answer.
        .map_err(|_| failure(TokenFailureKind::Garbage, "the answer could not be read"))?;
    let beyond = answered.extra_fields();
    let later = |seconds: Duration| -> Option<Timestamp> {
        beyond
            .receive_time
            .checked_add_signed(chrono::Duration::from_std(seconds).ok()?)
    };
    let without = match definition.token.without_expires_in {
        WithoutExpiresIn::Unknown => Expiry::Unknown,
        WithoutExpiresIn::Never => Expiry::Never,
    };
    Ok(TokenAnswer {
        access_token: Secret::new(answered.access_token().secret().clone()),
        token_type: beyond.scheme.clone(),
        refresh_token: answered
            .refresh_token()
            .map(|token| Secret::new(token.secret().clone())),
        expiry: answered
            .expires_in()
            .and_then(later)
            .map_or(without, Expiry::At),
        refresh_expire_time: beyond
            .refresh_expires_in
            .and_then(|seconds| later(Duration::from_secs(seconds))),
        scopes: beyond.granted.clone(),
        captured: beyond.captured.clone(),
        receive_time: beyond.receive_time,
    })
}
