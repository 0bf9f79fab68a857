//! The client of all providers: the port `AuthorizationServer` over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use tokend_catalog::Catalogue;
use tokend_model::ports::{
    AuthorizationServer, AuthorizeUrl, Clock, DeviceAnswer, DeviceAuthorization, DiscoveryFailure,
    Identified, Registration, UnusableRegistration,
};
use tokend_model::{
    ConnectionConfig, Credential, RawTokenAnswer, Secret, TokenAnswer, TokenFailure,
    TokenFailureKind,
};

use crate::accepted_secrets::AcceptedSecrets;
use crate::answer::read_renewal;
use crate::failure::failure;
use crate::metadata::MetadataCache;
use crate::provider::{Provider, definition, not_sent};
use crate::transport::Transport;
use crate::{HttpClientUnavailable, OAuthOptions};
use crate::{code, device, discovery, identity, obtain, refresh, revocation};

/// Speaks OAuth 2.0 to every provider of the catalogue.
pub struct OAuthClient {
    transport: Transport,
    catalogue: Arc<Catalogue>,
    metadata: MetadataCache,
    accepted_secrets: AcceptedSecrets,
}

impl OAuthClient {
    /// A client within the given bounds. A TLS crypto provider has to be installed before.
    pub fn new(
        options: &OAuthOptions,
        catalogue: Arc<Catalogue>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, HttpClientUnavailable> {
        Ok(Self {
            transport: Transport::new(options, clock)?,
            catalogue,
            metadata: MetadataCache::new(),
            accepted_secrets: AcceptedSecrets::new(),
        })
    }

    /// The provider, its metadata read where the definition has any.
    async fn reach<'a>(
        &'a self,
        registration: Registration<'a>,
    ) -> Result<Provider<'a>, UnusableRegistration> {
        let definition = definition(&self.catalogue, registration)?;
        let provider = Provider::new(
            &self.transport,
            &self.accepted_secrets,
            definition.clone(),
            registration,
        );
        match &definition.metadata {
            None => Ok(provider),
            Some(metadata) => {
                let endpoints = self.metadata.endpoints(&provider, metadata).await?;
                Ok(provider.at(endpoints))
            }
        }
    }

    async fn provider<'a>(
        &'a self,
        registration: Registration<'a>,
    ) -> Result<Provider<'a>, TokenFailure> {
        self.reach(registration).await.map_err(not_sent)
    }
}

#[async_trait]
impl AuthorizationServer for OAuthClient {
    async fn authorize_url(
        &self,
        registration: Registration<'_>,
        scopes: &[String],
        redirect_uri: &str,
    ) -> Result<AuthorizeUrl, UnusableRegistration> {
        let provider = self.reach(registration).await?;
        Ok(code::authorize_url(&provider, scopes, redirect_uri)?)
    }

    async fn token_endpoint(
        &self,
        registration: Registration<'_>,
    ) -> Result<String, UnusableRegistration> {
        let provider = self.reach(registration).await?;
        let mut url = provider.url(&provider.token()?.url)?;
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
        let provider = self.provider(registration).await?;
        code::redeem_code(&provider, code, pkce_verifier, redirect_uri).await
    }

    async fn obtain(
        &self,
        registration: Registration<'_>,
        subject_token: Option<&Secret>,
        scopes: &[String],
    ) -> Result<TokenAnswer, TokenFailure> {
        let provider = self.provider(registration).await?;
        obtain::obtain(&provider, subject_token, scopes).await
    }

    async fn request_device_code(
        &self,
        registration: Registration<'_>,
        scopes: &[String],
    ) -> Result<DeviceAuthorization, TokenFailure> {
        let provider = self.provider(registration).await?;
        device::request_device_code(&provider, scopes).await
    }

    async fn redeem_device_code(
        &self,
        registration: Registration<'_>,
        device_code: &Secret,
    ) -> Result<DeviceAnswer, TokenFailure> {
        let provider = self.provider(registration).await?;
        device::redeem_device_code(&provider, device_code).await
    }

    async fn redeem_refresh_token(
        &self,
        registration: Registration<'_>,
        refresh_token: &Secret,
        scopes: &[String],
        redirect_uri: &str,
    ) -> Result<RawTokenAnswer, TokenFailure> {
        let provider = self.provider(registration).await?;
        refresh::redeem_refresh_token(&provider, refresh_token, scopes, redirect_uri).await
    }

    async fn read_refresh_answer(
        &self,
        registration: Registration<'_>,
        answer: &RawTokenAnswer,
    ) -> Result<TokenAnswer, TokenFailure> {
        // The answer is there, so what stands in the way of reading it is never a request that was not sent.
        let definition = definition(&self.catalogue, registration)
            .map_err(|invalid| failure(TokenFailureKind::Garbage, invalid.0))?;
        read_renewal(&definition, registration.token, answer)
    }

    async fn revoke(
        &self,
        registration: Registration<'_>,
        credential: &Credential,
    ) -> Result<bool, TokenFailure> {
        let provider = self.provider(registration).await?;
        revocation::revoke(&provider, credential).await
    }

    async fn discover(
        &self,
        registration: Registration<'_>,
        access_token: &Secret,
    ) -> Result<ConnectionConfig, DiscoveryFailure> {
        let provider = self.provider(registration).await?;
        discovery::discover(&provider, access_token).await
    }

    async fn identify(
        &self,
        registration: Registration<'_>,
        access_token: &Secret,
    ) -> Result<Identified, TokenFailure> {
        let provider = self.provider(registration).await?;
        identity::identify(&provider, access_token).await
    }
}
