//! The provider's own description of its endpoints (RFC 8414, OpenID Connect Discovery 1.0), kept for a while.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use serde_json::Value;
use tokend_catalog::{CallEncoding, Errors, Metadata, Method};
use tokend_model::ports::UnusableRegistration;
use tokend_model::{Timestamp, TokenFailure, TokenFailureKind};
use tokio::sync::Mutex;
use tokio::time::timeout;
use url::Url;

use crate::body::read_json;
use crate::failure::{by_body, failure};
use crate::outgoing::Outgoing;
use crate::provider::Provider;
use crate::transport::Transport;

/// How long a document is good.
const GOOD_FOR: Duration = Duration::from_secs(3600);

/// How long after a failure nobody asks again.
const PAUSE: Duration = Duration::from_secs(10);

/// How long a new document is waited for where there is an old one.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most documents that are kept.
const MAX_DOCUMENTS: u64 = 1000;

/// The endpoints that a document names.
#[derive(Debug, Default)]
pub(crate) struct Endpoints(BTreeMap<&'static str, String>);

/// The documents, by URL and issuer. Those who want the same one at the same time wait for one request.
pub(crate) struct MetadataCache(Cache<(Url, Url), Arc<Mutex<Kept>>>);

#[derive(Default)]
struct Kept {
    /// What came last, however old: endpoints hardly ever move.
    endpoints: Option<Arc<Endpoints>>,
    /// Why there is none.
    failure: Option<TokenFailure>,
    /// Nobody asks before.
    next: Timestamp,
}

impl Endpoints {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl MetadataCache {
    pub(crate) fn new() -> Self {
        Self(Cache::new(MAX_DOCUMENTS))
    }

    /// What the provider's document names. A failure means that nothing was sent to any of the endpoints.
    pub(crate) async fn endpoints(
        &self,
        provider: &Provider<'_>,
        metadata: &Metadata,
    ) -> Result<Arc<Endpoints>, UnusableRegistration> {
        let url = provider.url(&metadata.url)?;
        let issuer = provider.url(&metadata.issuer)?;
        let key = (url.clone(), issuer.clone());
        let kept = self.0.get_with(key, async { Arc::default() }).await;
        let mut kept = kept.lock().await;
        let now = provider.transport.now();
        if now >= kept.next {
            let fetched = fetch(provider.transport, url, &issuer);
            let fetched = match kept.endpoints {
                None => fetched.await,
                Some(_) => timeout(PATIENCE, fetched)
                    .await
                    .unwrap_or_else(|_| Err(unusable("did not come in time"))),
            };
            match fetched {
                Ok(endpoints) => {
                    kept.endpoints = Some(Arc::new(endpoints));
                    kept.next = now + GOOD_FOR;
                }
                Err(failure) => {
                    kept.failure = Some(not_sent(failure));
                    kept.next = now + PAUSE;
                }
            }
        }
        match (&kept.endpoints, &kept.failure) {
            (Some(endpoints), _) => Ok(endpoints.clone()),
            (None, Some(failure)) => Err(UnusableRegistration::Metadata(failure.clone())),
            (None, None) => Err(UnusableRegistration::Metadata(unusable("is missing"))),
        }
    }
}

async fn fetch(transport: &Transport, url: Url, issuer: &Url) -> Result<Endpoints, TokenFailure> {
    let request =
        Outgoing::new(Method::Get, url, CallEncoding::Query, &BTreeMap::new())?.build()?;
    let errors = Errors::default();
    let raw = transport.send(request, &errors).await?;
    let document = read_json(raw.content_type.as_deref(), &raw.body);
    let unauthorized = TokenFailureKind::ClientRejected;
    if let Some(failure) = by_body(raw.status, document.as_ref(), &errors, unauthorized) {
        return Err(failure);
    }
    let document = document.ok_or_else(|| unusable("is not a JSON object"))?;
    let member = |name: &str| document.get(name).and_then(Value::as_str);
    // Who serves a document in another's name would receive the client's secret (RFC 8414 section 3.3).
    let named = member("issuer").and_then(|issuer| Url::parse(issuer).ok());
    if named.as_ref() != Some(issuer) {
        return Err(unusable("names another issuer"));
    }
    let endpoint = |name: &'static str| Some((name, member(name)?.to_owned()));
    Ok(Endpoints(
        Metadata::ENDPOINTS
            .into_iter()
            .filter_map(endpoint)
            .collect(),
    ))
}

fn unusable(what: &str) -> TokenFailure {
    failure(TokenFailureKind::NotSent, format!("the document {what}"))
}

/// Whatever became of this request, the one that it was for was not sent.
fn not_sent(failure: TokenFailure) -> TokenFailure {
    TokenFailure {
        kind: match failure.kind {
            TokenFailureKind::RateLimited => TokenFailureKind::RateLimited,
            _ => TokenFailureKind::NotSent,
        },
        detail: format!("the provider's metadata: {}", failure.detail),
        ..failure
    }
}
