//! Refreshing: the one code path that redeems a refresh token.
//!
//! Claim before the call, call once, durable before anybody sees the result. It runs in a task of its own, never in a
//! request's future: a caller that goes away must not take the only copy of a new refresh token with it.

use std::{sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use tokend_model::{
    Connection, ConnectionStatus, Connector, Credential, Freshness, RefreshHealth, TokenAnswer,
    TokenFailure, TokenFailureKind,
    ports::{Claim, ClaimOutcome, RefreshFailure, Registration, StorageError},
};

use crate::{
    Error, Vended, Vending, error::log_token_failure, one_time::roll, single_flight::Aborted,
    vend::vended,
};

/// How often a claim held elsewhere is looked at again.
const CLAIM_POLL: Duration = Duration::from_millis(100);

impl Vending {
    /// Brings the connection past the generation in `known`, once for all who ask at the same time.
    pub(crate) async fn renew(&self, known: &Vended) -> Result<Arc<Vended>, Error> {
        let (this, known) = (self.clone(), known.clone());
        let id = known.connection_id.clone();
        let flight = self
            .shared
            .refreshes
            .run(id, || async move { this.renew_detached(&known).await });
        flight.await.unwrap_or_else(|Aborted| Err(Error::Internal))
    }

    async fn renew_detached(&self, known: &Vended) -> Result<Arc<Vended>, Error> {
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
            self.may_be_tried(&connection, &connector)?;
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
                    match self
                        .redeem(&claim, &connection, &connector, credential)
                        .await?
                    {
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
    fn may_be_tried(&self, connection: &Connection, connector: &Connector) -> Result<(), Error> {
        if connection.status == ConnectionStatus::Error {
            return Err(Error::ReauthorizationRequired { connect: None });
        }
        let health = &connection.refresh_health;
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
    async fn redeem(
        &self,
        claim: &Claim,
        connection: &Connection,
        connector: &Connector,
        credential: Credential,
    ) -> Result<Option<Arc<Vended>>, Error> {
        let registration = Registration {
            connector,
            connection_config: &connection.connection_config,
        };
        let outcome = match &credential.refresh_token {
            Some(refresh_token) => {
                let server = &self.shared.ports.authorization_server;
                server
                    .refresh(registration, refresh_token, &credential.scopes)
                    .await
            }
            None => Err(no_refresh_token()),
        };
        match outcome {
            Ok(answer) => {
                let next = succeed(&credential, answer);
                self.commit(claim, connection, connector, next).await
            }
            Err(failure) => {
                log_token_failure("refresh", connection.id.as_str(), &failure);
                Err(self
                    .record_failure(claim, connection, connector, &credential, &failure)
                    .await)
            }
        }
    }

    async fn commit(
        &self,
        claim: &Claim,
        connection: &Connection,
        connector: &Connector,
        next: Credential,
    ) -> Result<Option<Arc<Vended>>, Error> {
        let before_read = self.shared.cache.before_read();
        let refreshes = &self.shared.ports.refreshes;
        // The answer may hold the only living refresh token: storing it is tried for as long as the process lives
        // and the claim could still be ours.
        let committed = (|| refreshes.commit(claim, &next))
            .retry(
                ExponentialBuilder::default()
                    .with_min_delay(Duration::from_millis(50))
                    .with_max_delay(Duration::from_secs(5))
                    .without_max_times()
                    .with_total_delay(Some(self.shared.options.claim_time_to_live * 10)),
            )
            .when(|error| matches!(error, StorageError::Unavailable(_)))
            .notify(|_, pause| {
                let id = connection.id.as_str();
                tracing::error!(id, ?pause, "a renewed credential cannot be stored yet");
            })
            .await?;
        if committed {
            let renewed = vended(connection, connector, next);
            self.shared
                .cache
                .put(self.cache_key_of(connection), &renewed, before_read);
            return Ok(Some(renewed));
        }
        let id = connection.id.as_str();
        tracing::warn!(
            id,
            epoch = claim.epoch,
            "a renewed credential came too late to be stored"
        );
        let gone = self
            .shared
            .ports
            .connections
            .get(&claim.workspace, &claim.connection_id)
            .await?;
        if !matches!(gone, Some((_, Some(_)))) {
            // Disconnected meanwhile: nothing may stay alive at the provider.
            self.revoke_at_provider(connector, &connection.connection_config, &next)
                .await;
        }
        Ok(None)
    }

    /// Writes down why the call brought nothing. A first refusal is an accusation; only a second one, later, ends it.
    async fn record_failure(
        &self,
        claim: &Claim,
        connection: &Connection,
        connector: &Connector,
        credential: &Credential,
        failure: &TokenFailure,
    ) -> Error {
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
        let confirmed = credential.refresh_token.is_none()
            || accused_time.is_some_and(|since| {
                (now - since).to_std().unwrap_or_default() >= policy.confirm_after
            });
        let pause = match accused {
            true => policy.confirm_after,
            false => policy.pause(failures, failure.retry_after, roll()),
        };
        let error = Error::from_token_failure(failure.kind, connector.id.as_str(), pause);
        let valid = policy.freshness(credential.receive_time, credential.expiry, now, None)
            != Freshness::RunOut;
        let status = match (accused && confirmed, valid) {
            (true, false) => ConnectionStatus::Error,
            (_, true) => ConnectionStatus::Authorized,
            (false, false) => ConnectionStatus::Expired,
        };
        let record = RefreshFailure {
            status,
            status_reason: error.reason().to_owned(),
            health: RefreshHealth {
                consecutive_failures: failures,
                last_failure: Some(error.reason().to_owned()),
                retry_time: Some(now + pause),
                accused_time,
            },
        };
        match self.shared.ports.refreshes.fail(claim, &record).await {
            Ok(()) => error,
            Err(storage) => {
                // The claim ends by its deadline; the provider's answer is what the caller needs to hear.
                tracing::warn!(id = %connection.id, error = %storage, "a failed refresh is not on record");
                error
            }
        }
    }
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

fn no_refresh_token() -> TokenFailure {
    TokenFailure {
        kind: TokenFailureKind::GrantRejected,
        detail: "the provider gave no refresh token".to_owned(),
        retry_after: None,
    }
}
