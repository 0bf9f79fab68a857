//! Remembers what verified tokens proved, so that the same token is not verified at each call.

use std::time::Duration;

use chrono::TimeDelta;
use moka::sync::Cache;
use ring::digest;
use tokend_model::Timestamp;

/// How many verified tokens are remembered.
const REMEMBERED_TOKENS: u64 = 50_000;

/// How long a verified token is remembered at most, so that a key its issuer withdrew stops working.
const REMEMBERED_FOR: Duration = Duration::from_secs(300);

/// What a token is remembered by: never the token itself.
pub(crate) type TokenDigest = [u8; digest::SHA256_OUTPUT_LEN];

/// What verified tokens proved.
pub(crate) struct VerifiedTokens<T>(Cache<TokenDigest, Verified<T>>);

#[derive(Clone)]
struct Verified<T> {
    proved: T,
    since: Timestamp,
    until: Timestamp,
}

impl<T: Clone + Send + Sync + 'static> VerifiedTokens<T> {
    pub(crate) fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(REMEMBERED_TOKENS)
            .time_to_live(REMEMBERED_FOR)
            .build();
        Self(cache)
    }

    /// What the token proved; nothing after its time, nor before it, where the clock was set back.
    pub(crate) fn get(&self, token: &TokenDigest, now: Timestamp) -> Option<T> {
        let verified = self.0.get(token)?;
        (verified.since..verified.until)
            .contains(&now)
            .then_some(verified.proved)
    }

    /// Remembers it, until then or for 300 s at most.
    pub(crate) fn insert(
        &self,
        token: TokenDigest,
        proved: T,
        verify_time: Timestamp,
        until: Timestamp,
    ) {
        let longest = TimeDelta::from_std(REMEMBERED_FOR).unwrap_or(TimeDelta::MAX);
        let verified = Verified {
            proved,
            since: verify_time,
            until: until.min(verify_time + longest),
        };
        self.0.insert(token, verified);
    }
}

/// The digest of a token and of where it counts; each part goes with its length, so that no two run together.
pub(crate) fn digest_of(parts: &[&str]) -> TokenDigest {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut digest = [0; digest::SHA256_OUTPUT_LEN];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_remembered_until_its_time_and_for_300_seconds_at_most() {
        let tokens = VerifiedTokens::new();
        let at = |second: i64| Timestamp::from_timestamp(1_000_000 + second, 0).unwrap();
        let (short, long) = (digest_of(&["short"]), digest_of(&["long"]));
        tokens.insert(short, 1, at(0), at(60));
        tokens.insert(long, 2, at(0), at(3600));
        let times = [-1, 0, 59, 60, 299, 300];
        let known = |token| times.map(|time| tokens.get(token, at(time)));
        assert_eq!(known(&short), [None, Some(1), Some(1), None, None, None]);
        assert_eq!(
            known(&long),
            [None, Some(2), Some(2), Some(2), Some(2), None]
        );
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(digest_of(&["ab", "c"]), digest_of(&["a", "bc"]));
        assert_ne!(digest_of(&["a", ""]), digest_of(&["", "a"]));
    }
}
