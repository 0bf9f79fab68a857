//! What a failed attempt means for the connection, and what is written down about it.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use chrono::TimeDelta;
use tokend_model::{
    ConnectionStatus, Presentation, RefreshHealth, Timestamp, TokenFailure, TokenFailureKind,
    ports::{RefreshFailure, StorageError},
};

use super::{RenewalCause, attempt::Attempt};
use crate::{Error, Vending};

/// Why a connection needs its user: an answer with the new refresh token was lost, and the old one is dead.
pub(crate) const ROTATION_LOST: &str = "ROTATION_LOST";

/// The most of a provider's Retry-After that is kept to.
const LONGEST_WAIT: Duration = Duration::from_secs(900);

/// How long a provider is left alone that says 429 and not for how long: so many first pauses, spread around that.
const UNTOLD_WAIT: u32 = 10;

/// How soon a provider that did not answer is tried again for somebody who waits.
const SOON: Duration = Duration::from_secs(3);

impl Vending {
    /// Writes down why the call brought nothing. A first refusal is an accusation; only a second one, later, ends it.
    pub(super) async fn record_failure(&self, attempt: &Attempt, failure: &TokenFailure) -> Error {
        let policy = &self.shared.options.refresh_policy;
        let now = self.shared.ports.clock.now();
        let subject = &attempt.subject;
        let before = &subject.connection.refresh_health;
        let failures = before.consecutive_failures.saturating_add(1);
        let accused = failure.kind == TokenFailureKind::GrantRejected;
        // Only success clears it: what else may go wrong in between says nothing about the grant.
        let accused_time = before.accused_time.or(accused.then_some(now));
        let confirm_after = self.confirm_after(attempt);
        let accused_long = accused_time
            .is_some_and(|since| (now - since).to_std().unwrap_or_default() >= confirm_after);
        let renewable = subject.credential.refresh_token.is_some();
        let confirmed = accused && (accused_long || !renewable);
        let doubtful = matches!(
            failure.kind,
            TokenFailureKind::Ambiguous | TokenFailureKind::Garbage
        );
        let uncertain_since = attempt
            .claimed
            .uncertain_since
            .or_else(|| doubtful.then(|| self.began(attempt, now)));

        // A token that cannot be renewed is dead when callers say so again and again.
        let reported_dead = attempt.cause == RenewalCause::Reported && accused_long;
        let valid = self.is_unexpired(&subject.credential) && !reported_dead;
        let status = match (confirmed, valid) {
            // Without a refresh token there is nothing wrong until the access token runs out.
            (true, true) if !renewable => ConnectionStatus::Authorized,
            (true, _) => ConnectionStatus::Error,
            (false, true) => ConnectionStatus::Authorized,
            (false, false) => ConnectionStatus::Expired,
        };
        let pause = match failure.kind {
            TokenFailureKind::GrantRejected => confirm_after,
            TokenFailureKind::RateLimited => self.rate_limit_pause(failure),
            _ if doubtful => {
                let call = self.shared.options.claim_time_to_live;
                let settled = subject.facts.rotation.settles_within(call);
                let rest = settled.saturating_sub(attempt.claiming.elapsed());
                let chance = self.shared.ports.chance.roll();
                policy
                    .pause(failures, failure.retry_after, chance)
                    .max(rest)
            }
            _ => policy.pause(
                failures,
                failure.retry_after,
                self.shared.ports.chance.roll(),
            ),
        };
        // Whoever waits for a token may try sooner, as far as that does no harm: the gate lets few calls through while
        // the provider is away, and its return is to be noticed at once.
        let harmless = failure.kind == TokenFailureKind::NotSent
            || failure.kind == TokenFailureKind::Ambiguous
                && subject.facts.rotation.settles_within(SOON) < SOON;
        let retry_after = if harmless { pause.min(SOON) } else { pause };
        let (retry_time, renewal_time) = (later(now, retry_after), later(now, pause));
        let error = match (accused, confirmed) {
            (true, false) => Error::GrantInDoubt { retry_after: pause },
            _ => {
                let connector = subject.connector.id.as_str();
                Error::from_token_failure(failure.kind, connector, retry_after)
            }
        };
        let reason = match accused {
            true => Error::ReauthorizationRequired { connect: None }.reason(),
            false => error.reason(),
        };
        let lost = confirmed && renewable && uncertain_since.is_some();
        let record = RefreshFailure {
            status,
            status_reason: match status {
                ConnectionStatus::Authorized => String::new(),
                ConnectionStatus::Error if lost => ROTATION_LOST.to_owned(),
                _ => reason.to_owned(),
            },
            health: RefreshHealth {
                consecutive_failures: failures,
                last_failure: Some(reason.to_owned()),
                last_failure_time: Some(now),
                retry_time: Some(retry_time),
                accused_time,
                uncertain_since,
            },
            renewal_time: match status {
                ConnectionStatus::Error => None,
                _ if !renewable => None,
                _ => Some(self.not_before_allowed(attempt, uncertain_since, renewal_time)),
            },
            pause: (failure.kind == TokenFailureKind::RateLimited)
                .then(|| (subject.registration(), retry_time)),
        };
        self.close(attempt, record).await;
        error
    }

    /// Gives the claim back without a call: what was known of the connection stays known.
    pub(super) async fn put_off(&self, attempt: &Attempt) {
        let connection = &attempt.subject.connection;
        let health = RefreshHealth {
            uncertain_since: attempt.claimed.uncertain_since,
            ..connection.refresh_health.clone()
        };
        let soon = later(
            self.shared.ports.clock.now(),
            self.shared.options.refresh_policy.first_pause,
        );
        let record = RefreshFailure {
            status: connection.status,
            status_reason: connection.status_reason.clone(),
            renewal_time: Some(self.not_before_allowed(attempt, health.uncertain_since, soon)),
            health,
            pause: None,
        };
        self.close(attempt, record).await;
    }

    /// How long after a first refusal the same question is asked once more.
    pub(super) fn confirm_after(&self, attempt: &Attempt) -> Duration {
        let usual = self.shared.options.refresh_policy.confirm_after;
        let doubt = attempt.claimed.uncertain_since;
        attempt.subject.facts.rotation.confirms_after(usual, doubt)
    }

    /// Whether the provider refused the grant before, long enough ago to believe it now.
    pub(super) fn is_confirmed(&self, attempt: &Attempt) -> bool {
        let accused = attempt.subject.connection.refresh_health.accused_time;
        let now = self.shared.ports.clock.now();
        accused.is_some_and(|since| {
            (now - since).to_std().unwrap_or_default() >= self.confirm_after(attempt)
        })
    }

    /// How long a provider that asked for it is left alone.
    pub(crate) fn rate_limit_pause(&self, failure: &TokenFailure) -> Duration {
        match failure.retry_after {
            Some(told) => told.min(LONGEST_WAIT),
            None => {
                let first = self.shared.options.refresh_policy.first_pause;
                (first * UNTOLD_WAIT).mul_f64(0.5 + self.shared.ports.chance.roll())
            }
        }
    }

    /// The time for the next try, or that of the access token's end if the class allows none before.
    fn not_before_allowed(
        &self,
        attempt: &Attempt,
        uncertain_since: Option<Timestamp>,
        retry_time: Timestamp,
    ) -> Timestamp {
        let credential = &attempt.subject.credential;
        let cause = RenewalCause::Scheduled;
        match self.presentation(&attempt.subject, cause, uncertain_since) {
            Presentation::Free => retry_time,
            Presentation::WhenRunOut => credential
                .expiry
                .time()
                .map_or(retry_time, |expires| expires.max(retry_time)),
        }
    }

    fn began(&self, attempt: &Attempt, now: Timestamp) -> Timestamp {
        let elapsed = TimeDelta::from_std(attempt.claiming.elapsed()).unwrap_or_default();
        now - elapsed
    }

    async fn close(&self, attempt: &Attempt, record: RefreshFailure) {
        let refreshes = &self.shared.ports.refreshes;
        let recorded = (|| refreshes.fail(attempt.claim(), &record))
            .retry(ExponentialBuilder::default())
            .when(|error| matches!(error, StorageError::Unavailable(_)))
            .await;
        if let Err(storage) = recorded {
            // The claim ends by its deadline; the provider's answer is what the caller needs to hear.
            let id = &attempt.subject.connection.id;
            tracing::warn!(%id, error = %storage, "a failed refresh is not on record");
        }
    }
}

fn later(now: Timestamp, pause: Duration) -> Timestamp {
    TimeDelta::from_std(pause)
        .ok()
        .and_then(|pause| now.checked_add_signed(pause))
        .unwrap_or(Timestamp::MAX_UTC)
}
