//! `[refresh]`: where a refresh (RFC 6749 section 6) differs from redeeming a code, and what the provider does with
//! refresh tokens.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;
use tokend_model::{RefreshFacts, Rotation};

use std::collections::BTreeMap;

use crate::{Answer, Encoding, Method, Param, RenewedWith, Template};

/// What a definition says about refreshing.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// Whether the granted scopes are repeated.
    pub repeat_scopes: bool,
    /// Whether the redirect URI is repeated.
    pub repeat_redirect_uri: bool,
    /// What renews the token.
    pub with: RenewedWith,
    /// The endpoint, where it is not the token endpoint.
    pub url: Option<Template>,
    /// The method; only `GET` has its parameters in the query.
    pub method: Method,
    /// What the body is written in, where it differs from the token endpoint's.
    pub encoding: Option<Encoding>,
    /// Parameters sent with each request; `grant_type` may be among them.
    pub params: BTreeMap<String, Param>,
    /// The parameter with the refresh token.
    pub token_param: String,
    /// Whether the client's id and secret are sent.
    pub client_auth: bool,
    /// The layout of its answer.
    pub answer: Answer,
    /// How the provider treats refresh tokens.
    pub facts: RefreshFacts,
}

/// `[refresh]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RefreshSection {
    repeat_scopes: bool,
    repeat_redirect_uri: bool,
    with: RenewedWith,
    url: Option<Template>,
    method: Option<Method>,
    encoding: Option<Encoding>,
    params: BTreeMap<String, Param>,
    token_param: Option<String>,
    client_auth: Option<bool>,
    answer: Answer,
    /// How long access tokens usually live, where answers do not say: renewed by then, and vended as long as nobody
    /// reports them refused.
    assumed_lifetime_minutes: Option<f64>,
    /// What becomes of a refresh token when it is redeemed. A definition that comes with tokend has to say it;
    /// elsewhere nothing said means unknown.
    rotation: Option<RotationClass>,
    /// For how long an old refresh token may be redeemed again; with `rotation = "overlap"` only.
    overlap_seconds: Option<u64>,
    /// Whether access tokens issued before go on working when their grant is refreshed; true unless said otherwise.
    access_token_survives_refresh: Option<bool>,
    /// A refresh token that is not redeemed for so many days dies. A fraction is allowed.
    idle_limit_days: Option<f64>,
    /// The consent ends so many days after it was given, whatever is redeemed. A fraction is allowed.
    consent_limit_days: Option<f64>,
    /// The most token calls a second the provider takes from one client.
    calls_per_second: Option<NonZeroU32>,
}

/// The provider's class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RotationClass {
    /// C0: the old refresh token stays valid.
    StaysValid,
    /// C1: it may be redeemed again for `overlap_seconds`.
    Overlap,
    /// C2: it stays valid until the access or refresh token that replaced it is used.
    UntilSuccessorUsed,
    /// C3: it is dead, and redeeming it again may end the grant.
    Strict,
    /// CX: nobody has found out; treated as strict.
    Unknown,
}

/// Longer overlaps are none: such a token simply stays valid.
const MAX_OVERLAP_SECONDS: u64 = 30 * 24 * 3600;

/// Ten years: the longest limit that is believed, so that no time overflows.
const MAX_DAYS: f64 = 3650.0;

impl RefreshSection {
    /// Reads the section; the error says at which key and what is allowed.
    pub(crate) fn read(self, user_defined: bool) -> Result<Refresh, String> {
        let rotation = self.rotation(user_defined)?;
        let idle_limit = limit("idle_limit_days", self.idle_limit_days)?;
        let consent_limit = limit("consent_limit_days", self.consent_limit_days)?;
        if consent_limit.is_some_and(|consent| idle_limit.is_some_and(|idle| idle > consent)) {
            return Err(
                "refresh.idle_limit_days: allowed is at most consent_limit_days, or none at all: \
                 no refresh token outlives the consent"
                    .to_owned(),
            );
        }
        let assumed_lifetime = duration(
            "assumed_lifetime_minutes",
            self.assumed_lifetime_minutes,
            MAX_DAYS * 24.0 * 60.0,
            60.0,
        )?;
        let unknown = RefreshFacts::default();
        Ok(Refresh {
            repeat_scopes: self.repeat_scopes,
            repeat_redirect_uri: self.repeat_redirect_uri,
            with: self.with,
            url: self.url,
            method: self.method.unwrap_or(Method::Post),
            encoding: self.encoding,
            params: self.params,
            token_param: self
                .token_param
                .unwrap_or_else(|| "refresh_token".to_owned()),
            client_auth: self.client_auth.unwrap_or(true),
            answer: self.answer,
            facts: RefreshFacts {
                rotation,
                access_token_survives_refresh: self
                    .access_token_survives_refresh
                    .unwrap_or(unknown.access_token_survives_refresh),
                idle_limit,
                consent_limit,
                calls_per_second: self.calls_per_second.map(NonZeroU32::get),
                assumed_lifetime,
            },
        })
    }

    fn rotation(&self, user_defined: bool) -> Result<Rotation, String> {
        let class = match self.rotation {
            Some(class) => class,
            None if user_defined => RotationClass::Unknown,
            None => {
                return Err(
                    "refresh.rotation: a definition that comes with tokend has to say one of \
                     stays_valid, overlap, until_successor_used, strict, unknown"
                        .to_owned(),
                );
            }
        };
        Ok(match (class, self.overlap_seconds) {
            (RotationClass::Overlap, Some(seconds @ 1..=MAX_OVERLAP_SECONDS)) => {
                Rotation::Overlap {
                    window: Duration::from_secs(seconds),
                }
            }
            (RotationClass::Overlap, _) => {
                return Err(format!(
                    "refresh.overlap_seconds: rotation = \"overlap\" needs it, from 1 to {MAX_OVERLAP_SECONDS}: \
                     for how long an old refresh token may be redeemed again"
                ));
            }
            (_, Some(_)) => {
                return Err(
                    "refresh.overlap_seconds: allowed only with rotation = \"overlap\"".to_owned(),
                );
            }
            (RotationClass::StaysValid, None) => Rotation::StaysValid,
            (RotationClass::UntilSuccessorUsed, None) => Rotation::UntilSuccessorUsed,
            (RotationClass::Strict, None) => Rotation::Strict,
            (RotationClass::Unknown, None) => Rotation::Unknown,
        })
    }
}

fn limit(key: &str, days: Option<f64>) -> Result<Option<Duration>, String> {
    duration(key, days, MAX_DAYS, 24.0 * 3600.0)
}

fn duration(
    key: &str,
    given: Option<f64>,
    most: f64,
    unit_seconds: f64,
) -> Result<Option<Duration>, String> {
    given
        .map(|given| {
            let believable = given > 0.0 && given <= most;
            believable
                .then(|| Duration::from_secs_f64(given * unit_seconds))
                .ok_or_else(|| format!("refresh.{key}: allowed is more than 0, at most {most}"))
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// The facts of this section, or the error's text.
    fn facts(text: &str, user_defined: bool) -> Result<RefreshFacts, String> {
        let section: RefreshSection = toml::from_str(text).map_err(|error| error.to_string())?;
        section.read(user_defined).map(|refresh| refresh.facts)
    }

    fn rotation(text: &str) -> Result<Rotation, String> {
        facts(text, false).map(|facts| facts.rotation)
    }

    #[test]
    fn every_class_has_its_word() {
        let window = Duration::from_secs(30);
        for (text, expected) in [
            ("rotation = 'stays_valid'", Rotation::StaysValid),
            (
                "rotation = 'overlap'\noverlap_seconds = 30",
                Rotation::Overlap { window },
            ),
            (
                "rotation = 'until_successor_used'",
                Rotation::UntilSuccessorUsed,
            ),
            ("rotation = 'strict'", Rotation::Strict),
            ("rotation = 'unknown'", Rotation::Unknown),
        ] {
            assert_eq!(rotation(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn limits_are_days_and_what_is_not_said_is_assumed_with_caution() {
        let all = "rotation = 'strict'\naccess_token_survives_refresh = false\nidle_limit_days = 60\n\
                   consent_limit_days = 365.5\ncalls_per_second = 7\n\
                   assumed_lifetime_minutes = 120";
        let expected = RefreshFacts {
            rotation: Rotation::Strict,
            access_token_survives_refresh: false,
            idle_limit: Some(60 * DAY),
            consent_limit: Some(365 * DAY + DAY / 2),
            calls_per_second: Some(7),
            assumed_lifetime: Some(Duration::from_secs(7200)),
        };
        assert_eq!(facts(all, false), Ok(expected));
        assert_eq!(facts("", true), Ok(RefreshFacts::default()));
    }

    #[test]
    fn contradictions_are_refused_and_say_what_is_allowed() {
        for (text, told) in [
            (
                "",
                "refresh.rotation: a definition that comes with tokend has to say one of stays_valid",
            ),
            ("rotation = 'rotates'", "`until_successor_used`"),
            (
                "rotation = 'overlap'",
                "refresh.overlap_seconds: rotation = \"overlap\" needs it, from 1",
            ),
            (
                "rotation = 'overlap'\noverlap_seconds = 0",
                "refresh.overlap_seconds: rotation = \"overlap\" needs it, from 1",
            ),
            (
                "rotation = 'overlap'\noverlap_seconds = 2592001",
                "from 1 to 2592000",
            ),
            (
                "rotation = 'strict'\noverlap_seconds = 30",
                "refresh.overlap_seconds: allowed only with rotation = \"overlap\"",
            ),
            (
                "rotation = 'strict'\nidle_limit_days = 0",
                "refresh.idle_limit_days: allowed is more than 0, at most 3650",
            ),
            (
                "rotation = 'strict'\nconsent_limit_days = 1e300",
                "refresh.consent_limit_days: allowed is more than 0, at most 3650",
            ),
            (
                "rotation = 'strict'\nconsent_limit_days = nan",
                "refresh.consent_limit_days: allowed is more than 0, at most 3650",
            ),
            (
                "rotation = 'strict'\nidle_limit_days = 90\nconsent_limit_days = 60",
                "refresh.idle_limit_days: allowed is at most consent_limit_days",
            ),
            ("rotation = 'strict'\ncalls_per_second = 0", "nonzero"),
        ] {
            let error = facts(text, false).err().unwrap_or_default();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
