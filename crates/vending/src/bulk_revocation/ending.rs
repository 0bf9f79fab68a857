//! Ending one connection of a bulk revocation.
//!
//! The provider is told first, and only then is the credential removed here. Whoever goes on after a crash finds the
//! connection as it was, and tells the provider again, which does no harm (RFC 7009 section 2.2).

use std::{collections::HashMap, sync::atomic::Ordering, time::Duration};

use tokend_model::{
    Connection, ConnectionFilter, ConnectionId, ConnectionStatus, Connector, Credential,
    Generation, TokenFailureKind,
    ports::{Page, Registration, StorageError},
};

use super::Run;
use crate::{
    Error, ProviderRevocation,
    error::log_token_failure,
    provider_gate::{ClosedBecause, Urgency},
};

/// Why its connections ended.
const REASON: &str = "REVOKED_IN_BULK";

/// How long one waits for its turn at the provider before it looks around again.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the provider is asked in vain before a connection is ended here alone.
const TRIES: u32 = 3;

/// How long to wait between two tries, and for a database that is away.
const PAUSE: Duration = Duration::from_secs(1);

/// One consent has no more tokens than this.
const MOST_TOKENS: u64 = 100;

/// The stop came before the provider was told: nothing was changed.
struct Stopped;

impl Run {
    /// Ends a connection and its siblings, however long that takes, unless it is stopped before.
    pub(super) async fn end(&self, id: ConnectionId) {
        while !self.stop.is_cancelled() {
            match self.try_to_end(&id).await {
                Ok(ProviderRevocation::Failed) => {
                    self.provider_failed.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Err(Error::StorageUnavailable) => self.wait(PAUSE).await,
                Err(error) => {
                    tracing::error!(%id, %error, "a connection is left out of a bulk revocation for now");
                    self.left_out.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Ok(_) => return,
            }
        }
    }

    async fn try_to_end(&self, id: &ConnectionId) -> Result<ProviderRevocation, Error> {
        let connections = &self.vending.shared.ports.connections;
        let workspace = &self.job.workspace;
        let mut outcome = ProviderRevocation::Skipped;
        let Some(named) = connections.describe(workspace, id).await? else {
            return Ok(outcome);
        };
        // It went with a sibling.
        if named.status == ConnectionStatus::Revoked {
            return Ok(outcome);
        }
        let connector = self.vending.connector_of(&named).await?;
        let mut told: HashMap<ConnectionId, Generation> = HashMap::new();
        for connection in self.with_siblings(named).await? {
            let Some(credential) = self.credential_of(&connection.id).await? else {
                continue;
            };
            match self.tell(&connector, &connection, &credential).await {
                Ok(revocation) => outcome = outcome.and(revocation),
                Err(Stopped) => return Ok(ProviderRevocation::Skipped),
            }
            told.insert(connection.id, credential.generation);
        }
        let ended = connections.revoke(workspace, id, REASON).await?;
        for (connection, credential) in &ended {
            let key = self.vending.cache_key_of(connection);
            self.vending.shared.cache.remove(&key);
            // It was renewed since: nobody but us knows that token.
            let Some(newer) = credential.as_ref().filter(|credential| {
                told.get(&connection.id)
                    .is_none_or(|told| credential.generation > *told)
            }) else {
                continue;
            };
            let revocation = self.tell(&connector, connection, newer).await;
            outcome = outcome.and(revocation.unwrap_or(ProviderRevocation::Failed));
        }
        Ok(outcome)
    }

    /// The connection, and those of the same consent.
    async fn with_siblings(&self, named: Connection) -> Result<Vec<Connection>, Error> {
        let filter = ConnectionFilter {
            connector_id: Some(named.connector_id.clone()),
            owner: Some(named.owner.clone()),
            label: Some(named.label.clone()),
            ..ConnectionFilter::default()
        };
        let page = Page {
            after: None,
            limit: MOST_TOKENS,
        };
        let connections = &self.vending.shared.ports.connections;
        let mut all = connections
            .list(&self.job.workspace, &filter, &page)
            .await?;
        let staged = Connection::is_staged(&named.token);
        all.retain(|one| one.id != named.id && !staged && !Connection::is_staged(&one.token));
        all.insert(0, named);
        Ok(all)
    }

    /// A credential that no longer opens cannot be told to anybody, and must not keep its connection alive.
    async fn credential_of(&self, id: &ConnectionId) -> Result<Option<Credential>, Error> {
        let connections = &self.vending.shared.ports.connections;
        match connections.get(&self.job.workspace, id).await {
            Ok(found) => Ok(found.and_then(|(_, credential)| credential)),
            Err(StorageError::Corrupt { what, why }) => {
                tracing::error!(%id, what, why, "a credential is not told to its provider");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Tells the provider, no faster than its limits and callers' renewals allow, and again where no answer came.
    async fn tell(
        &self,
        connector: &Connector,
        connection: &Connection,
        credential: &Credential,
    ) -> Result<ProviderRevocation, Stopped> {
        let registration = Registration {
            connector,
            connection_config: &connection.connection_config,
            token: connection.token_kind(),
        };
        let client = self.vending.client(registration).await;
        let facts = self.vending.facts(connection);
        let shared = &self.vending.shared;
        let mut failures = 0;
        loop {
            let turn = shared
                .gate
                .enter(&client, &facts, Urgency::Scheduled, PATIENCE);
            let pass = match self.stop.run_until_cancelled(turn).await.ok_or(Stopped)? {
                Ok(pass) => pass,
                Err(closed) if closed.because == ClosedBecause::NotAnswering => {
                    failures += 1;
                    if failures >= TRIES {
                        self.is_away.store(true, Ordering::Relaxed);
                    }
                    if self.is_away.load(Ordering::Relaxed) {
                        return Ok(ProviderRevocation::Failed);
                    }
                    self.wait(closed.retry_after).await;
                    continue;
                }
                Err(closed) => {
                    self.wait(closed.retry_after).await;
                    continue;
                }
            };
            let failure = match shared
                .ports
                .authorization_server
                .revoke(registration, credential)
                .await
            {
                Ok(revoked) => {
                    pass.answered();
                    self.is_away.store(false, Ordering::Relaxed);
                    return Ok(match revoked {
                        true => ProviderRevocation::Revoked,
                        false => ProviderRevocation::NotSupported,
                    });
                }
                Err(failure) => failure,
            };
            log_token_failure("revoke", connector.id.as_str(), &failure);
            match failure.kind {
                TokenFailureKind::RateLimited => {
                    let pause = self.vending.rate_limit_pause(&failure);
                    shared.gate.pause(&client, pause);
                    pass.answered();
                    continue;
                }
                TokenFailureKind::NotSent | TokenFailureKind::Ambiguous => pass.unanswered(),
                _ => {
                    pass.answered();
                    return Ok(ProviderRevocation::Failed);
                }
            }
            failures += 1;
            if failures >= TRIES {
                return Ok(ProviderRevocation::Failed);
            }
            self.wait(PAUSE).await;
        }
    }
}
