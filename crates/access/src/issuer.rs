//! Issuers of app users' tokens, as they are configured.

use std::{collections::BTreeMap, net::IpAddr};

use reqwest::Url;
use tokend_model::WorkspaceName;

/// The algorithms an issuer may sign with unless others are named: asymmetric ones in common use (RFC 8725
/// section 3.2, RFC 7518 section 3.1, RFC 8037).
pub const DEFAULT_ALGORITHMS: [&str; 4] = ["ES256", "RS256", "EdDSA", "PS256"];

/// Whose tokens prove an app user, in one workspace.
///
/// The user's id is the claim as it stands: two issuers trusted in one workspace must not name different people alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerOptions {
    /// The workspace that trusts it.
    pub workspace: WorkspaceName,
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// Where its keys are (RFC 7517 section 5). Found through OpenID Connect Discovery if absent.
    pub jwks_url: Option<String>,
    /// One of these must be in `aud`; `{caller}` in them is the name of the caller who brings the token, so that no
    /// other service can bring it.
    pub audiences: Vec<String>,
    /// If there is any: only these callers, by their names, may bring the issuer's tokens, each those of its own
    /// audiences; [`audiences`](Self::audiences) are nobody's then.
    pub caller_audiences: BTreeMap<String, Vec<String>>,
    /// The algorithms it may sign with, by their JWA names; asymmetric ones only.
    pub algorithms: Vec<String>,
    /// The claim that holds the user's id.
    pub user_id_claim: String,
}

impl IssuerOptions {
    /// An issuer with discovered keys, [`DEFAULT_ALGORITHMS`] and the user's id in `sub`.
    pub fn new(
        workspace: WorkspaceName,
        issuer: impl Into<String>,
        audiences: Vec<String>,
    ) -> Self {
        Self {
            workspace,
            issuer: issuer.into(),
            jwks_url: None,
            audiences,
            caller_audiences: BTreeMap::new(),
            algorithms: DEFAULT_ALGORITHMS.map(str::to_owned).to_vec(),
            user_id_claim: "sub".to_owned(),
        }
    }
}

/// An issuer that cannot be trusted as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("issuer {issuer:?}: {problem}")]
pub struct InvalidIssuer {
    /// Its name.
    pub issuer: String,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

/// A URL that keys may come from: nobody on the way can exchange them.
pub(crate) fn safe_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    let is_loopback = || {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    (url.scheme() == "https" || (url.scheme() == "http" && is_loopback())).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_https_or_loopback() {
        for good in [
            "https://login.acme.test/jwks",
            "http://127.0.0.1:8080/jwks",
            "http://[::1]/jwks",
            "http://localhost/jwks",
        ] {
            assert!(safe_url(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "jwks",
            "http://login.acme.test/jwks",
            "http://127.0.0.1.acme.test/jwks",
            "http://10.0.0.1/jwks",
            "file:///etc/jwks",
            "ftp://localhost/jwks",
        ] {
            assert!(safe_url(bad).is_none(), "{bad}");
        }
    }
}
