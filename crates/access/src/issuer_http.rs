//! HTTP to issuers and API servers: no redirects, bounded answers, and where it goes into a Kubernetes cluster, the
//! cluster's own certificate authority and this service's own token.

use std::path::PathBuf;

use arc_swap::ArcSwap;
use reqwest::{Certificate, Client, RequestBuilder, Response, Url, redirect::Policy};
use serde_json::Value;
use std::sync::Arc;
use tokend_model::Secret;

use crate::KeySetOptions;

/// What a pod is given to talk to its cluster's API server with. Either file may be absent.
#[derive(Debug, Clone)]
pub(crate) struct ClusterFiles {
    /// The authorities (PEM) that the API server's certificate must come from, instead of the system's.
    pub(crate) ca_file: PathBuf,
    /// Our own token, sent as bearer.
    pub(crate) token_file: PathBuf,
}

/// Why there is no answer, for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error(transparent)]
    Request(reqwest::Error),
    #[error("the answer has status {0}")]
    Status(u16),
    #[error("the answer is too long")]
    TooLong,
    #[error("{0} cannot be read")]
    File(PathBuf, #[source] std::io::Error),
}

/// The error's own text holds the URL, and a URL's query may hold a secret.
impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        Self::Request(error.without_url())
    }
}

/// An HTTP client for key sets and token reviews.
pub(crate) struct IssuerHttp {
    options: KeySetOptions,
    files: Option<ClusterFiles>,
    built: ArcSwap<Built>,
}

/// The client that goes with what the file of authorities held.
struct Built {
    authorities: Option<Vec<u8>>,
    client: Client,
}

impl IssuerHttp {
    /// Reads no file yet: they are read when they are used, as they are exchanged in place.
    pub(crate) fn new(
        options: KeySetOptions,
        files: Option<ClusterFiles>,
    ) -> Result<Self, FetchError> {
        let built = Built {
            authorities: None,
            client: build(&options, None)?,
        };
        Ok(Self {
            options,
            files,
            built: ArcSwap::from_pointee(built),
        })
    }

    /// The body of an answer of status 200.
    pub(crate) async fn get(&self, url: Url) -> Result<Vec<u8>, FetchError> {
        let request = self.client().await?.get(url);
        let response = self.send(request).await?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        self.body(response).await
    }

    /// The body of an answer that says the thing was made.
    pub(crate) async fn post(&self, url: Url, json: &Value) -> Result<Vec<u8>, FetchError> {
        let request = self.client().await?.post(url).json(json);
        let response = self.send(request).await?;
        if !response.status().is_success() {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        self.body(response).await
    }

    async fn send(&self, mut request: RequestBuilder) -> Result<Response, FetchError> {
        if let Some(files) = &self.files
            && let Some(token) = read(&files.token_file).await?
        {
            let token = Secret::new(String::from_utf8_lossy(&token).trim().to_owned());
            request = request.bearer_auth(token.expose());
        }
        Ok(request.send().await?)
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, FetchError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > self.options.max_bytes {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The client for the authorities as the file holds them now. One that has gone away since does not have others
    /// trusted.
    async fn client(&self) -> Result<Client, FetchError> {
        let Some(files) = &self.files else {
            return Ok(self.built.load().client.clone());
        };
        let authorities = read(&files.ca_file).await?;
        let built = self.built.load();
        if authorities.is_none() || authorities == built.authorities {
            return Ok(built.client.clone());
        }
        let client = build(&self.options, authorities.as_deref())?;
        self.built.store(Arc::new(Built {
            authorities,
            client: client.clone(),
        }));
        Ok(client)
    }
}

fn build(options: &KeySetOptions, authorities: Option<&[u8]>) -> Result<Client, FetchError> {
    // Fails only where a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // An answer comes from where the operator said, so no redirect is followed.
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .timeout(options.timeout);
    if let Some(authorities) = authorities {
        builder = builder.tls_certs_only(Certificate::from_pem_bundle(authorities)?);
    }
    Ok(builder.build()?)
}

/// What a file holds; `None` if there is none.
async fn read(file: &PathBuf) -> Result<Option<Vec<u8>>, FetchError> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    match tokio::fs::read(file).await {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FetchError::File(file.clone(), error)),
    }
}
