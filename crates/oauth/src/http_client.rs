//! The HTTP client that all calls are made with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::{Certificate, Client, Proxy, redirect, retry};

use crate::OAuthOptions;
use crate::egress::EgressGuard;

/// The HTTP client for providers cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientUnavailable {
    /// Its TLS has no provider or no roots, or its proxy is none.
    #[error("the HTTP client for providers cannot be made")]
    Client(#[source] reqwest::Error),
    /// The file with certificate authorities cannot be read.
    #[error("oauth.ca_file {}: {why}", .path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A client that follows nothing, repeats nothing, and connects only where the guard lets it.
pub(crate) fn http_client(
    options: &OAuthOptions,
    guard: EgressGuard,
) -> Result<Client, HttpClientUnavailable> {
    let mut builder = Client::builder()
        .user_agent(concat!("tokend/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(options.connect_timeout)
        .dns_resolver(Arc::new(guard))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        // A proxy resolves names itself, past the guard: one is used where the operator says so, never by environment.
        .no_proxy()
        // A connection kept open may be cut by the other side just as a refresh token is sent over it, and nobody
        // could say whether that was spent. Token calls are rare: each gets a connection of its own.
        .pool_max_idle_per_host(0);
    if let Some(url) = &options.proxy_url {
        let proxy = Proxy::all(url.clone()).map_err(HttpClientUnavailable::Client)?;
        builder = builder.proxy(proxy);
    }
    if let Some(path) = &options.ca_file {
        builder = builder.tls_certs_merge(certificates(path)?);
    }
    builder.build().map_err(HttpClientUnavailable::Client)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, HttpClientUnavailable> {
    let unusable = |why: String| HttpClientUnavailable::CaFile {
        path: path.to_owned(),
        why,
    };
    let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let certificates =
        Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))?;
    if certificates.is_empty() {
        return Err(unusable("there is no certificate in it".to_owned()));
    }
    Ok(certificates)
}
