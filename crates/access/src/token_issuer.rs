//! One issuer of JWTs: what app users' tokens and callers' tokens are verified by alike (threat T-10, RFC 8725).

use std::{str::FromStr, sync::Arc, time::Duration};

use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use tokend_model::{Timestamp, ports::Clock};

use crate::{
    InvalidIssuer, KeySetOptions, TokenRejection,
    issuer::safe_url,
    issuer_http::IssuerHttp,
    jws::Jws,
    key_set_source::{KeySetLocation, KeySetSource},
};

/// An issuer, the algorithms it may sign with, and its keys.
pub(crate) struct TokenIssuer {
    issuer: String,
    algorithms: Vec<Algorithm>,
    keys: Arc<KeySetSource>,
    clock: Arc<dyn Clock>,
    max_age: Option<TimeDelta>,
}

impl TokenIssuer {
    /// An issuer whose keys are at this URL, or are found through OpenID Connect Discovery. Fetches nothing yet.
    pub(crate) fn new(
        issuer: &str,
        jwks_url: Option<&str>,
        algorithms: &[String],
        clock: &Arc<dyn Clock>,
        key_sets: KeySetOptions,
    ) -> Result<Self, InvalidIssuer> {
        let location = key_set_location(issuer, jwks_url)?;
        let http = IssuerHttp::new(key_sets, None)
            .map_err(|error| invalid(issuer, format!("no HTTP client for its keys: {error}")))?;
        Self::with_keys_at(location, http.into(), issuer, algorithms, clock, key_sets)
    }

    /// An issuer whose keys are fetched with a client of its own.
    pub(crate) fn with_keys_at(
        location: KeySetLocation,
        http: Arc<IssuerHttp>,
        issuer: &str,
        algorithms: &[String],
        clock: &Arc<dyn Clock>,
        key_sets: KeySetOptions,
    ) -> Result<Self, InvalidIssuer> {
        Ok(Self {
            issuer: issuer.to_owned(),
            algorithms: checked_algorithms(issuer, algorithms)?,
            keys: Arc::new(KeySetSource::new(location, http, clock.clone(), key_sets)),
            clock: clock.clone(),
            max_age: None,
        })
    }

    /// Tokens that were issued longer ago than this are refused, whenever they expire; none, if it is zero.
    pub(crate) fn with_max_age(mut self, max_age: Duration) -> Self {
        let max_age = Some(max_age).filter(|age| !age.is_zero());
        self.max_age = max_age.and_then(|age| TimeDelta::from_std(age).ok());
        self
    }

    /// Whether the token is this issuer's, is good now, and is meant for one of these audiences. Answers until when it
    /// is good.
    pub(crate) async fn verify(
        &self,
        jws: &Jws<'_>,
        audiences: &[String],
    ) -> Result<Timestamp, TokenRejection> {
        if jws.claims.text("iss")? != self.issuer {
            return Err(TokenRejection::UnknownIssuer);
        }
        self.check_signature(jws).await?;
        if !jws.claims.is_for(audiences)? {
            return Err(TokenRejection::WrongAudience);
        }
        let expire_time = jws.claims.expire_time(self.clock.now(), self.max_age)?;
        jws.claims.text("sub")?;
        Ok(expire_time)
    }

    async fn check_signature(&self, jws: &Jws<'_>) -> Result<(), TokenRejection> {
        let algorithm = jws.header.alg;
        if !self.algorithms.contains(&algorithm) {
            return Err(TokenRejection::AlgorithmNotAllowed);
        }
        let keys = self.keys.find(algorithm, jws.header.kid.as_deref()).await?;
        let verifies = keys.iter().any(|key| {
            jsonwebtoken::crypto::verify(jws.signature, jws.signed.as_bytes(), key, algorithm)
                .unwrap_or(false)
        });
        verifies.then_some(()).ok_or(TokenRejection::BadSignature)
    }
}

/// The audiences; at least one, none empty.
pub(crate) fn check_audiences(issuer: &str, audiences: &[String]) -> Result<(), InvalidIssuer> {
    if audiences.is_empty() || audiences.iter().any(String::is_empty) {
        let problem = "audiences must name at least one audience, none empty";
        return Err(invalid(issuer, problem));
    }
    Ok(())
}

pub(crate) fn invalid(issuer: &str, problem: impl Into<String>) -> InvalidIssuer {
    InvalidIssuer {
        issuer: issuer.to_owned(),
        problem: problem.into(),
    }
}

/// The algorithms; an empty list, an unknown name and one with a shared secret are refused.
fn checked_algorithms(issuer: &str, names: &[String]) -> Result<Vec<Algorithm>, InvalidIssuer> {
    if names.is_empty() {
        return Err(invalid(issuer, "algorithms must not be empty"));
    }
    let read = |name: &String| match Algorithm::from_str(name) {
        Ok(algorithm) if algorithm.family() != AlgorithmFamily::Hmac => Ok(algorithm),
        _ => {
            let problem = format!(
                "algorithm {name:?} is not allowed: use ES256, ES384, EdDSA, RS256, RS384, RS512, PS256, PS384 or PS512"
            );
            Err(invalid(issuer, problem))
        }
    };
    names.iter().map(read).collect()
}

/// Where to fetch the keys.
fn key_set_location(issuer: &str, jwks_url: Option<&str>) -> Result<KeySetLocation, InvalidIssuer> {
    if issuer.is_empty() {
        return Err(invalid(issuer, "issuer must not be empty"));
    }
    let url = |text: &str| {
        let problem = || format!("{text:?} must be an https URL (http on loopback only)");
        safe_url(text).ok_or_else(|| invalid(issuer, problem()))
    };
    match jwks_url {
        Some(jwks_url) => Ok(KeySetLocation::KeySet(url(jwks_url)?)),
        None => Ok(KeySetLocation::Discovery {
            issuer: issuer.to_owned(),
            // OpenID Connect Discovery 1.0 section 4.
            url: url(&format!(
                "{}/.well-known/openid-configuration",
                issuer.trim_end_matches('/')
            ))?,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://login.acme.test";

    #[test]
    fn only_asymmetric_algorithms_are_allowed() {
        let checked = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            checked_algorithms(ISSUER, &names)
        };
        assert_eq!(checked(&crate::DEFAULT_ALGORITHMS).unwrap().len(), 4);
        for names in [
            &[][..],
            &["HS256"],
            &["ES256", "HS512"],
            &["none"],
            &["es256"],
            &["ES256K"],
        ] {
            assert!(checked(names).is_err(), "{names:?}");
        }
    }

    #[test]
    fn discovery_is_where_openid_says() {
        let issuer = "https://login.acme.test/tenant/";
        let KeySetLocation::Discovery { url, issuer: named } =
            key_set_location(issuer, None).unwrap()
        else {
            panic!("no jwks_url was given");
        };
        assert_eq!(
            url.as_str(),
            "https://login.acme.test/tenant/.well-known/openid-configuration"
        );
        assert_eq!(named, issuer);
    }

    #[test]
    fn an_audience_is_required() {
        for audiences in [vec![], vec![String::new()]] {
            assert!(check_audiences(ISSUER, &audiences).is_err());
        }
    }
}
