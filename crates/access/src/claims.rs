//! A token's claims, read strictly: each name once, each value of its type (RFC 7519 section 4).

use std::fmt;

use chrono::{DateTime, TimeDelta};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use tokend_model::Timestamp;

use crate::TokenRejection;

/// Clocks of issuers may differ from ours by this much (FAPI 2.0 Security Profile section 5.3.2.1: tokens up to 10 s
/// ahead are accepted, those of 60 s and more refused).
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(10);

/// The end of the year 9999, the last second that RFC 3339 can write.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// The JSON object of a token's claims.
pub(crate) struct Claims(Map<String, Value>);

impl Claims {
    /// Reads the object; a name that occurs twice is refused, as others may read the other one.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, TokenRejection> {
        serde_json::from_slice(json).map_err(|_| TokenRejection::Malformed)
    }

    /// A required claim that is a text which is not empty.
    pub(crate) fn text(&self, name: &str) -> Result<&str, TokenRejection> {
        self.text_at(&[name])
    }

    /// The same, inside claims that are objects.
    pub(crate) fn text_at(&self, path: &[&str]) -> Result<&str, TokenRejection> {
        let missing = || TokenRejection::ClaimMissing(path.join("."));
        self.find_text(path)?.ok_or_else(missing)
    }

    /// The same, where it may be absent.
    pub(crate) fn find_text(&self, path: &[&str]) -> Result<Option<&str>, TokenRejection> {
        let malformed = || TokenRejection::ClaimMalformed(path.join("."));
        let Some((last, objects)) = path.split_last() else {
            return Ok(None);
        };
        let mut object = &self.0;
        for name in objects {
            match object.get(*name) {
                None => return Ok(None),
                Some(Value::Object(inner)) => object = inner,
                Some(_) => return Err(malformed()),
            }
        }
        match object.get(*last) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(malformed()),
        }
    }

    /// Whether `aud`, a text or a list of texts, names one of these (RFC 7519 section 4.1.3).
    pub(crate) fn is_for(&self, audiences: &[String]) -> Result<bool, TokenRejection> {
        let malformed = || TokenRejection::ClaimMalformed("aud".to_owned());
        let is_ours = |value: &Value| match value {
            Value::String(text) => Ok(audiences.contains(text)),
            _ => Err(malformed()),
        };
        match self.required("aud")? {
            Value::Array(values) => values
                .iter()
                .try_fold(false, |any, value| Ok(is_ours(value)? || any)),
            value => is_ours(value),
        }
    }

    /// When it expires, or is too old if that is sooner, provided it is good now: `exp` and `iat` are required (threat
    /// T-10), `nbf` is checked if it is there.
    pub(crate) fn expire_time(
        &self,
        now: Timestamp,
        max_age: Option<TimeDelta>,
    ) -> Result<Timestamp, TokenRejection> {
        let expire_time = time("exp", self.required("exp")?)?;
        if is_expired(expire_time, now) {
            return Err(TokenRejection::Expired);
        }
        let issue_time = time("iat", self.required("iat")?)?;
        let not_before = self.0.get("nbf").map(|value| time("nbf", value));
        let begin = not_before.transpose()?.unwrap_or(issue_time);
        if begin.max(issue_time) > now + CLOCK_TOLERANCE {
            return Err(TokenRejection::NotYetValid);
        }
        let oldest = max_age.and_then(|age| issue_time.checked_add_signed(age));
        let oldest = oldest.unwrap_or(Timestamp::MAX_UTC).min(expire_time);
        if is_expired(oldest, now) {
            return Err(TokenRejection::TooOld);
        }
        Ok(oldest)
    }

    fn required(&self, name: &str) -> Result<&Value, TokenRejection> {
        self.0
            .get(name)
            .ok_or_else(|| TokenRejection::ClaimMissing(name.to_owned()))
    }
}

/// Whether a token with this `exp` has run out.
pub(crate) fn is_expired(expire_time: Timestamp, now: Timestamp) -> bool {
    now >= expire_time + CLOCK_TOLERANCE
}

/// A NumericDate: seconds since 1970, possibly with a fraction (RFC 7519 section 2).
fn time(name: &str, value: &Value) -> Result<Timestamp, TokenRejection> {
    value
        .as_f64()
        .filter(|seconds| (0.0..=LAST_SECOND).contains(seconds))
        .and_then(|seconds| DateTime::from_timestamp_millis((seconds * 1000.0) as i64))
        .ok_or_else(|| TokenRejection::ClaimMalformed(name.to_owned()))
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueNames)
    }
}

struct UniqueNames;

impl<'de> Visitor<'de> for UniqueNames {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with each name once")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Claims, A::Error> {
        let mut claims = Map::new();
        while let Some((name, value)) = entries.next_entry::<String, Value>()? {
            if claims.insert(name, value).is_some() {
                return Err(A::Error::custom("a name occurs twice"));
            }
        }
        Ok(Claims(claims))
    }
}
