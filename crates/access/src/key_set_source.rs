//! Fetches an issuer's keys and keeps them: through an outage, and up to date when keys rotate.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::Url;
use serde::Deserialize;
use tokend_model::{Timestamp, ports::Clock};
use tokio::sync::Mutex;

use crate::{
    TokenRejection,
    issuer::safe_url,
    issuer_http::{self, IssuerHttp},
    key_set::KeySet,
};

/// How key sets are fetched and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySetOptions {
    /// How long one request may take in all.
    pub timeout: Duration,
    /// How many bytes an answer may have.
    pub max_bytes: usize,
    /// An unknown key makes us fetch again, at most once in this time.
    pub fetch_floor: Duration,
    /// Keys older than this are fetched anew in the background, so that withdrawn ones stop working. Where nobody asked
    /// for twice as long, the next one waits for it.
    pub max_age: Duration,
}

impl Default for KeySetOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            max_bytes: 256 * 1024,
            fetch_floor: Duration::from_secs(10),
            max_age: Duration::from_secs(600),
        }
    }
}

/// Where an issuer's keys are.
#[derive(Clone)]
pub(crate) enum KeySetLocation {
    /// Right there.
    KeySet(Url),
    /// At the `jwks_uri` of the issuer's OpenID Connect Discovery document.
    Discovery { issuer: String, url: Url },
}

/// Without the query, which may hold a secret.
impl fmt::Debug for KeySetLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::KeySet(url) | Self::Discovery { url, .. }) = self;
        write!(f, "{}{}", url.origin().ascii_serialization(), url.path())
    }
}

/// Why keys were not fetched, for the log.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Http(#[from] issuer_http::FetchError),
    #[error("the discovery document is not one of this issuer, or names no safe jwks_uri")]
    Discovery,
    #[error("the answer has no key that is usable for signatures")]
    NoKeys,
}

/// The keys of one issuer.
pub(crate) struct KeySetSource {
    location: KeySetLocation,
    http: Arc<IssuerHttp>,
    clock: Arc<dyn Clock>,
    options: KeySetOptions,
    known: ArcSwapOption<Known>,
    last_fetch: Arc<Mutex<Option<Fetch>>>,
}

#[derive(Clone)]
struct Known {
    keys: Arc<KeySet>,
    fetch_time: Timestamp,
    /// When they were last asked for, be it in vain.
    attempt_time: Timestamp,
}

#[derive(Clone, Copy)]
struct Fetch {
    time: Timestamp,
    succeeded: bool,
}

impl KeySetSource {
    pub(crate) fn new(
        location: KeySetLocation,
        http: Arc<IssuerHttp>,
        clock: Arc<dyn Clock>,
        options: KeySetOptions,
    ) -> Self {
        Self {
            location,
            http,
            clock,
            options,
            known: ArcSwapOption::empty(),
            last_fetch: Arc::default(),
        }
    }

    /// The keys that may have signed a token with this header; fetches the set if they are not known yet.
    pub(crate) async fn find(
        self: &Arc<Self>,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<Vec<DecodingKey>, TokenRejection> {
        let keys = self.find_known(algorithm, kid);
        if !keys.is_empty() && !self.is_out_of_sight() {
            self.refresh_in_background();
            return Ok(keys);
        }
        let succeeded = self.fetch_if_due().await;
        let keys = self.find_known(algorithm, kid);
        match (keys.is_empty(), succeeded) {
            (false, _) => Ok(keys),
            (true, true) => Err(TokenRejection::UnknownKey),
            (true, false) => Err(TokenRejection::KeysUnavailable),
        }
    }

    fn find_known(&self, algorithm: Algorithm, kid: Option<&str>) -> Vec<DecodingKey> {
        self.known
            .load()
            .as_ref()
            .map_or_else(Vec::new, |known| known.keys.find(algorithm, kid))
    }

    /// Whether nobody has looked for so long that the keys may be gone for long, too. In an outage somebody looks all
    /// the time.
    fn is_out_of_sight(&self) -> bool {
        let now = self.clock.now();
        self.known.load().as_ref().is_some_and(|known| {
            !is_within(
                known.attempt_time,
                now,
                self.options.max_age.saturating_mul(2),
            )
        })
    }

    fn refresh_in_background(self: &Arc<Self>) {
        let now = self.clock.now();
        let is_old = self
            .known
            .load()
            .as_ref()
            .is_some_and(|known| !is_within(known.fetch_time, now, self.options.max_age));
        let is_due = || {
            self.last_fetch
                .try_lock()
                .is_ok_and(|last| self.is_due(*last, now))
        };
        if is_old && is_due() {
            let source = Arc::clone(self);
            tokio::spawn(async move { source.fetch_if_due().await });
        }
    }

    /// Whether the last fetch succeeded, after fetching if it is long enough ago. Those who come while a fetch runs
    /// wait for it instead of starting another; it runs to its end even if all of them go away.
    async fn fetch_if_due(self: &Arc<Self>) -> bool {
        let mut last_fetch = Arc::clone(&self.last_fetch).lock_owned().await;
        if let Some(last) = *last_fetch
            && !self.is_due(Some(last), self.clock.now())
        {
            return last.succeeded;
        }
        let source = Arc::clone(self);
        let fetch = tokio::spawn(async move {
            let succeeded = source.fetch_and_store().await;
            let time = source.clock.now();
            *last_fetch = Some(Fetch { time, succeeded });
            succeeded
        });
        fetch.await.unwrap_or(false)
    }

    async fn fetch_and_store(&self) -> bool {
        let fetch_time = self.clock.now();
        match self.fetch().await {
            Ok(keys) => {
                self.known.store(Some(Arc::new(Known {
                    keys: Arc::new(keys),
                    fetch_time,
                    attempt_time: fetch_time,
                })));
                true
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, location = ?self.location, "an issuer's keys cannot be fetched");
                let known = self.known.load_full().map(|known| Known {
                    attempt_time: fetch_time,
                    ..(*known).clone()
                });
                self.known.store(known.map(Arc::new));
                false
            }
        }
    }

    fn is_due(&self, last: Option<Fetch>, now: Timestamp) -> bool {
        last.is_none_or(|last| !is_within(last.time, now, self.options.fetch_floor))
    }

    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let url = match &self.location {
            KeySetLocation::KeySet(url) => url.clone(),
            KeySetLocation::Discovery { issuer, url } => {
                let document = self.http.get(url.clone()).await?;
                discovered(&document, issuer, url).ok_or(FetchError::Discovery)?
            }
        };
        KeySet::parse(&self.http.get(url).await?).ok_or(FetchError::NoKeys)
    }
}

#[derive(Deserialize)]
struct DiscoveryDocument {
    issuer: String,
    jwks_uri: String,
}

/// The `jwks_uri`, if the document is this issuer's (OpenID Connect Discovery 1.0 section 4.3) and keys are fetched as
/// safely as the document was.
fn discovered(document: &[u8], issuer: &str, from: &Url) -> Option<Url> {
    let document: DiscoveryDocument = serde_json::from_slice(document).ok()?;
    let url = safe_url(&document.jwks_uri)?;
    (document.issuer == issuer && (url.scheme() == "https" || from.scheme() == "http"))
        .then_some(url)
}

/// Whether `now` is less than `span` after `then`; a clock that was set back does not count as within.
pub(crate) fn is_within(then: Timestamp, now: Timestamp, span: Duration) -> bool {
    let span = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
    (TimeDelta::zero()..span).contains(&(now - then))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_query_is_shown() {
        // Nothing listens there.
        let url: Url = "http://127.0.0.1:1/jwks?key=hidden".parse().unwrap();
        let shown = format!("{:?}", KeySetLocation::KeySet(url.clone()));
        assert_eq!(shown, "http://127.0.0.1:1/jwks");

        let _ = rustls::crypto::ring::default_provider().install_default();
        let error = reqwest::get(url).await.unwrap_err();
        assert!(format!("{error} {error:?}").contains("hidden"), "{error}");
        let error = issuer_http::FetchError::from(error);
        assert!(!format!("{error} {error:?}").contains("hidden"), "{error}");
    }
}
