//! The bounds within which providers are called.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

/// How long and how much a call may take, and where it may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthOptions {
    /// The longest a call may take from its start to the last byte of the answer.
    pub timeout: Duration,
    /// The longest that name lookup, connecting and TLS may take together; less than `timeout`, so that a call that
    /// never left can be told from one that may have been carried out.
    pub connect_timeout: Duration,
    /// The most bytes of an answer that are read.
    pub max_body: usize,
    /// Whether this machine may be called, also over plain http: for the demo and for tests.
    pub allow_loopback: bool,
    /// Whether private networks may be called (RFC 1918, RFC 4193, RFC 6598): for providers inside the organisation.
    pub allow_private_networks: bool,
    /// An HTTP proxy that all calls go through, wherever it is. It resolves the providers' names itself: what they lead
    /// to is then up to it; only addresses that stand in a URL are refused here.
    pub proxy_url: Option<Url>,
    /// Certificate authorities (PEM) that are trusted beside those of the system.
    pub ca_file: Option<PathBuf>,
}

impl Default for OAuthOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
            max_body: 256 * 1024,
            allow_loopback: false,
            allow_private_networks: false,
            proxy_url: None,
            ca_file: None,
        }
    }
}
