//! Issuers of app users' tokens, as they are configured and checked.

use std::{net::IpAddr, str::FromStr};

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use reqwest::Url;
use tokend_model::WorkspaceName;

use crate::key_set_source::KeySetLocation;

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
    /// The names that stand for this service in `aud`; at least one.
    pub audiences: Vec<String>,
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
            algorithms: DEFAULT_ALGORITHMS.map(str::to_owned).to_vec(),
            user_id_claim: "sub".to_owned(),
        }
    }

    /// The algorithms; an empty list, an unknown name and one with a shared secret are refused.
    pub(crate) fn checked_algorithms(&self) -> Result<Vec<Algorithm>, InvalidIssuer> {
        if self.algorithms.is_empty() {
            return Err(self.invalid("algorithms must not be empty"));
        }
        let read = |name: &String| {
            match Algorithm::from_str(name) {
            Ok(algorithm) if algorithm.family() != AlgorithmFamily::Hmac => Ok(algorithm),
            _ => Err(self.invalid(format!(
                "algorithm {name:?} is not allowed: use ES256, ES384, EdDSA, RS256, RS384, RS512, PS256, PS384 or PS512"
            ))),
        }
        };
        self.algorithms.iter().map(read).collect()
    }

    /// The audiences; at least one, none empty.
    pub(crate) fn checked_audiences(&self) -> Result<Vec<String>, InvalidIssuer> {
        if self.audiences.is_empty() || self.audiences.iter().any(String::is_empty) {
            return Err(self.invalid("audiences must name at least one audience, none empty"));
        }
        Ok(self.audiences.clone())
    }

    /// Where to fetch the keys.
    pub(crate) fn key_set_location(&self) -> Result<KeySetLocation, InvalidIssuer> {
        if self.issuer.is_empty() || self.user_id_claim.is_empty() {
            return Err(self.invalid("issuer and user_id_claim must not be empty"));
        }
        let url = |text: &str| {
            safe_url(text).ok_or_else(|| {
                self.invalid(format!(
                    "{text:?} must be an https URL (http on loopback only)"
                ))
            })
        };
        match &self.jwks_url {
            Some(jwks_url) => Ok(KeySetLocation::KeySet(url(jwks_url)?)),
            None => Ok(KeySetLocation::Discovery {
                issuer: self.issuer.clone(),
                // OpenID Connect Discovery 1.0 section 4.
                url: url(&format!(
                    "{}/.well-known/openid-configuration",
                    self.issuer.trim_end_matches('/')
                ))?,
            }),
        }
    }

    pub(crate) fn invalid(&self, problem: impl Into<String>) -> InvalidIssuer {
        InvalidIssuer {
            issuer: self.issuer.clone(),
            problem: problem.into(),
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

    fn options() -> IssuerOptions {
        IssuerOptions::new(
            WorkspaceName::default_workspace(),
            "https://login.acme.test",
            vec!["tokend".to_owned()],
        )
    }

    #[test]
    fn only_asymmetric_algorithms_are_allowed() {
        assert_eq!(options().checked_algorithms().unwrap().len(), 4);
        for names in [
            &[][..],
            &["HS256"],
            &["ES256", "HS512"],
            &["none"],
            &["es256"],
            &["ES256K"],
        ] {
            let mut options = options();
            options.algorithms = names.iter().map(|&name| name.to_owned()).collect();
            assert!(options.checked_algorithms().is_err(), "{names:?}");
        }
    }

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

    #[test]
    fn discovery_is_where_openid_says() {
        let mut options = options();
        options.issuer = "https://login.acme.test/tenant/".to_owned();
        let KeySetLocation::Discovery { url, issuer } = options.key_set_location().unwrap() else {
            panic!("no jwks_url was given");
        };
        assert_eq!(
            url.as_str(),
            "https://login.acme.test/tenant/.well-known/openid-configuration"
        );
        assert_eq!(issuer, options.issuer);
    }

    #[test]
    fn an_audience_is_required() {
        for audiences in [vec![], vec![String::new()]] {
            let mut options = options();
            options.audiences = audiences;
            assert!(options.checked_audiences().is_err());
        }
    }
}
