//! Issuers of app users' tokens, as they are configured.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use reqwest::Url;
use tokend_model::WorkspaceName;

/// The algorithms an issuer may sign with unless others are named: asymmetric ones in common use (RFC 8725
/// section 3.2, RFC 7518 section 3.1, RFC 8037).
pub const DEFAULT_ALGORITHMS: [&str; 4] = ["ES256", "RS256", "EdDSA", "PS256"];

/// How long ago tokens may have been issued, unless said otherwise: however late they expire, one that leaked is of use
/// no longer (threat T-10).
pub const DEFAULT_MAX_TOKEN_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Whose tokens prove an app user, in one workspace.
///
/// The user's id is the claim after [`user_id_prefix`](Self::user_id_prefix): two issuers trusted in one workspace must
/// not name different people alike.
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
    /// Put before it, to tell the users of several issuers of one workspace apart; may be empty for one of them.
    pub user_id_prefix: String,
    /// Whether others in the workspace with the same prefix name the same people alike.
    pub shares_user_ids: bool,
    /// How long ago its tokens may have been issued; zero: as long as they say.
    pub max_token_age: Duration,
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
            user_id_prefix: String::new(),
            shares_user_ids: false,
            max_token_age: DEFAULT_MAX_TOKEN_AGE,
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
