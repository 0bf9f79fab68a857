//! Refreshing: the one code path that redeems a refresh token.
//!
//! Claim before the call, call once, durable before anybody sees the result. It runs in a task of its own, never in a
//! request's future: a caller that goes away must not take the only copy of a new refresh token with it.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;

use backon::{ExponentialBuilder, Retryable};
use tokend_model::{
    Connection, ConnectionStatus, Connector, Credential, Freshness, RefreshHealth, TokenAnswer,
    TokenFailure, TokenFailureKind,
    ports::{Claim, ClaimOutcome, RefreshFailure, Registration, StorageError},
};
use tokio::time::Instant;

use crate::{
    Error, Vended, Vending, cache::BeforeRead, connectors::enabled, error::log_token_failure,
    one_time::roll, single_flight::Aborted, vend::vended,
};

/// How often a claim held elsewhere is looked at again.
const CLAIM_POLL: Duration = Duration::from_millis(100);

/// Why a connection is to be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RenewalCause {
    /// Its token is not good for long enough.
    Aged,
    /// A caller says that the provider refused its token.
    Reported,
    /// An operator wants it, whatever the last attempt said.
    Operator,
}

impl Vending {
    /// Brings the connection past the generation in `known`, once for all who ask at the same time.
    pub(crate) async fn renew(
        &self,
        known: &Vended,
        cause: RenewalCause,
    ) -> Result<Arc<Vended>, Error> {
        let (this, known) = (self.clone(), known.clone());
        let id = known.connection_id.clone();
        let flight =
            self.shared.refreshes.run(
                id,
                || async move { this.renew_detached(&known, cause).await },
            );
        flight.await.unwrap_or_else(|Aborted| Err(Error::Internal))
    }

    async fn renew_detached(
        &self,
        known: &Vended,
        cause: RenewalCause,
    ) -> Result<Arc<Vended>, Error> {
        let ports = &self.shared.ports;
        let mut waited = Duration::ZERO;
        loop {
            let before_read = self.shared.cache.before_read();
            let (connection, credential) = ports
                .connections
                .get(&known.workspace, &known.connection_id)
                .await?
                .ok_or(Error::NotConnected { connect: None })?;
            let connector = self.connector_of(&connection).await?;
            enabled(&connector)?;
            let Some(credential) = credential else {
                return Err(match connection.status {
                    ConnectionStatus::Revoked => Error::NotConnected { connect: None },
                    _ => Error::ReauthorizationRequired { connect: None },
                });
            };
            if credential.generation > known.generation {
                let renewed = vended(&connection, &connector, credential);
                let key = self.cache_key_of(&connection);
                self.shared.cache.put(key, &renewed, before_read);
                return Ok(renewed);
            }
            self.may_be_tried(&connection, &connector, cause)?;
            let claiming = Instant::now();
            let claimed = ports
                .refreshes
                .claim(
                    &connection.workspace,
                    &connection.id,
                    credential.generation,
                    &self.shared.options.holder,
                    self.shared.options.claim_time_to_live,
                )
                .await?;
            match claimed {
                ClaimOutcome::Moved => continue,
                ClaimOutcome::Claimed(claim) => {
                    let renewal = Renewal {
                        claim,
                        claiming,
                        before_read,
                        connection,
                        connector,
                        credential,
                        cause,
                    };
                    match self.redeem(&renewal).await? {
                        Some(renewed) => return Ok(renewed),
                        None => continue,
                    }
                }
                ClaimOutcome::Held(remaining) => {
                    if waited >= self.shared.options.claim_wait {
                        let retry_after = remaining.clamp(CLAIM_POLL, Duration::from_secs(5));
                        return Err(Error::RefreshInProgress { retry_after });
                    }
                    tokio::time::sleep(CLAIM_POLL).await;
                    waited += CLAIM_POLL;
                }
            }
        }
    }

    /// Whether calling the provider makes sense now; if not, what the last call said still holds.
    fn may_be_tried(
        &self,
        connection: &Connection,
        connector: &Connector,
        cause: RenewalCause,
    ) -> Result<(), Error> {
        let health = &connection.refresh_health;
        let rate_limited = health.last_failure.as_deref() == Some("PROVIDER_RATE_LIMITED");
        if cause == RenewalCause::Operator && !rate_limited {
            return Ok(());
        }
        if connection.status == ConnectionStatus::Error {
            return Err(Error::ReauthorizationRequired { connect: None });
        }
        let now = self.shared.ports.clock.now();
        match health.retry_time {
            Some(retry_time) if retry_time > now => {
                let retry_after = (retry_time - now).to_std().unwrap_or_default();
                let connector_id = connector.id.to_string();
                Err(match health.last_failure.as_deref() {
                    Some("PROVIDER_RATE_LIMITED") => Error::ProviderRateLimited { retry_after },
                    Some("PROVIDER_MISBEHAVED") => Error::ProviderMisbehaved { retry_after },
                    Some("CLIENT_REJECTED") => Error::ClientRejected { connector_id },
                    Some("REAUTHORIZATION_REQUIRED") => {
                        Error::ReauthorizationRequired { connect: None }
                    }
                    _ => Error::ProviderUnavailable { retry_after },
                })
            }
            _ => Ok(()),
        }
    }

    /// Redeems the claimed refresh token and stores the outcome. `None`: the connection moved on meanwhile.
    async fn redeem(&self, renewal: &Renewal) -> Result<Option<Arc<Vended>>, Error> {
        let Renewal {
            connection,
            connector,
            credential,
            ..
        } = renewal;
        let registration = Registration {
            connector,
            connection_config: &connection.connection_config,
        };
        let outcome = match &credential.refresh_token {
            None => Err(not_tried(
                TokenFailureKind::GrantRejected,
                "there is no refresh token",
            )),
            // A claim that is old already may be somebody else's before the answer comes: give it back unused.
            Some(_) if renewal.claiming.elapsed() >= self.shared.options.claim_margin => Err(
                not_tried(TokenFailureKind::NotSent, "claiming took too long"),
            ),
            Some(refresh_token) => {
                let server = &self.shared.ports.authorization_server;
                server
                    .refresh(registration, refresh_token, &credential.scopes)
                    .await
            }
        };
        match outcome {
            Ok(answer) => self.commit(renewal, succeed(credential, answer)).await,
            Err(failure) => {
                log_token_failure("refresh", connection.id.as_str(), &failure);
                Err(self.record_failure(renewal, &failure).await)
            }
        }
    }

    async fn commit(
        &self,
        renewal: &Renewal,
        next: Credential,
    ) -> Result<Option<Arc<Vended>>, Error> {
        let Renewal {
            claim,
            connection,
            connector,
            ..
        } = renewal;
        let (refreshes, id) = (&self.shared.ports.refreshes, connection.id.as_str());
        loop {
            // The answer may hold the only living refresh token: storing it is tried for as long as the process lives.
            let committed = (|| refreshes.commit(claim, &next))
                .retry(until_stored())
                .when(|error| matches!(error, StorageError::Unavailable(_)))
                .notify(|_, pause| {
                    tracing::error!(id, ?pause, "a renewed credential cannot be stored yet");
                })
                .await?;
            if committed {
                let renewed = vended(connection, connector, next);
                let key = self.cache_key_of(connection);
                self.shared.cache.put(key, &renewed, renewal.before_read);
                return Ok(Some(renewed));
            }
            let connections = &self.shared.ports.connections;
            let present = connections
                .describe(&claim.workspace, &claim.connection_id)
                .await?;
            match present {
                Some(now) if now.status == ConnectionStatus::Revoked => break,
                None => break,
                // Somebody took over while we waited for the provider: if they bring nothing, ours is the one.
                Some(now) if now.generation == claim.base => tokio::time::sleep(CLAIM_POLL).await,
                Some(_) => {
                    tracing::warn!(
                        id,
                        epoch = claim.epoch,
                        "a renewed credential came too late"
                    );
                    return Ok(None);
                }
            }
        }
        // Disconnected meanwhile: nothing may stay alive at the provider.
        self.revoke_at_provider(connector, &connection.connection_config, &next)
            .await;
        Ok(None)
    }

    /// Writes down why the call brought nothing. A first refusal is an accusation; only a second one, later, ends it.
    async fn record_failure(&self, renewal: &Renewal, failure: &TokenFailure) -> Error {
        let Renewal {
            claim,
            connection,
            connector,
            credential,
            cause,
            ..
        } = renewal;
        let policy = &self.shared.options.refresh_policy;
        let now = self.shared.ports.clock.now();
        let failures = connection
            .refresh_health
            .consecutive_failures
            .saturating_add(1);
        let accused = failure.kind == TokenFailureKind::GrantRejected;
        let accused_time = match connection.refresh_health.accused_time {
            Some(since) if accused => Some(since),
            _ => accused.then_some(now),
        };
        let accused_long = accused_time.is_some_and(|since| {
            (now - since).to_std().unwrap_or_default() >= policy.confirm_after
        });
        let run_out = policy.freshness(credential.receive_time, credential.expiry, now, None)
            == Freshness::RunOut;
        // A token without an end is dead when callers say so again and again and nothing can renew it.
        let reported_dead = *cause == RenewalCause::Reported && accused_long;
        let valid = !run_out && !reported_dead;
        let confirmed = accused_long || (accused && credential.refresh_token.is_none());
        let pause = match accused {
            true => policy.confirm_after,
            false => policy.pause(failures, failure.retry_after, roll()),
        };
        let error = Error::from_token_failure(failure.kind, connector.id.as_str(), pause);
        let status = match (confirmed, valid) {
            (_, true) => ConnectionStatus::Authorized,
            (true, false) => ConnectionStatus::Error,
            (false, false) => ConnectionStatus::Expired,
        };
        let record = RefreshFailure {
            status,
            status_reason: match status {
                ConnectionStatus::Authorized => String::new(),
                _ => error.reason().to_owned(),
            },
            health: RefreshHealth {
                consecutive_failures: failures,
                last_failure: Some(error.reason().to_owned()),
                retry_time: now
                    .checked_add_signed(TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX)),
                accused_time,
            },
        };
        let refreshes = &self.shared.ports.refreshes;
        let recorded = (|| refreshes.fail(claim, &record))
            .retry(ExponentialBuilder::default())
            .when(|error| matches!(error, StorageError::Unavailable(_)))
            .await;
        if let Err(storage) = recorded {
            // The claim ends by its deadline; the provider's answer is what the caller needs to hear.
            tracing::warn!(id = %connection.id, error = %storage, "a failed refresh is not on record");
        }
        error
    }
}

/// One claimed attempt: what was read before it, and why it is made.
struct Renewal {
    claim: Claim,
    claiming: Instant,
    before_read: BeforeRead,
    connection: Connection,
    connector: Connector,
    credential: Credential,
    cause: RenewalCause,
}

/// Again and again, at growing intervals, without end: for what exists nowhere else until it is stored.
pub(crate) fn until_stored() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(5))
        .without_max_times()
}

/// The next generation: a returned refresh token replaces, an absent one keeps the old (RFC 6749 section 6).
fn succeed(credential: &Credential, answer: TokenAnswer) -> Credential {
    let replaced = answer.refresh_token.is_some();
    Credential {
        generation: credential.generation.next(),
        access_token: answer.access_token,
        token_type: answer.token_type,
        refresh_token: answer
            .refresh_token
            .or_else(|| credential.refresh_token.clone()),
        expiry: answer.expiry,
        refresh_expire_time: match replaced {
            true => answer.refresh_expire_time,
            false => answer
                .refresh_expire_time
                .or(credential.refresh_expire_time),
        },
        scopes: answer.scopes.unwrap_or_else(|| credential.scopes.clone()),
        receive_time: answer.receive_time,
    }
}

fn not_tried(kind: TokenFailureKind, why: &str) -> TokenFailure {
    TokenFailure {
        kind,
        detail: why.to_owned(),
        retry_after: None,
    }
}
