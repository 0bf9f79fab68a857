//! Storing what a provider answered: durable before it is vended, and never dropped.

use std::sync::Arc;

use backon::Retryable;
use tokend_model::{
    Connection, Credential, RefreshFacts, Renewable, Timestamp,
    ports::{CommitOutcome, Renewed, StorageError},
};

use super::{
    attempt::{Attempt, Journaled},
    until_stored,
};
use crate::{Error, Vended, Vending};

impl Vending {
    /// Commits the token set and puts it into memory. `None`: the connection moved on meanwhile.
    ///
    /// With the database away an answer that is in the journal is vended at once, unless using it would end what
    /// the database still holds; storing it goes on in a task that shutdown waits for.
    pub(super) async fn store_renewed(
        &self,
        attempt: Attempt,
        credential: Credential,
        journaled: Option<Journaled>,
    ) -> Result<Option<Arc<Vended>>, Error> {
        let renewed = self.renewed(&attempt, credential);
        let first = self
            .shared
            .ports
            .refreshes
            .commit(attempt.claim(), &renewed)
            .await;
        let durable = journaled
            .as_ref()
            .is_some_and(|journaled| journaled.durable);
        let outcome = match first {
            Ok(outcome) => outcome,
            Err(StorageError::Unavailable(_))
                if durable && attempt.subject.facts.rotation.allows_use_before_commit() =>
            {
                let vended = self.keep(&attempt.subject, renewed.credential.clone());
                let this = self.clone();
                self.shared.tasks.spawn(async move {
                    match this.store_at_last(&attempt, &renewed).await {
                        Ok(outcome) => {
                            this.conclude(&attempt, &renewed, journaled, outcome).await;
                        }
                        Err(error) => {
                            let id = &attempt.claim().connection_id;
                            tracing::error!(%id, %error, "a renewed credential stays in the journal");
                        }
                    }
                });
                return Ok(Some(vended));
            }
            Err(StorageError::Unavailable(_)) => self.store_at_last(&attempt, &renewed).await?,
            // The journal keeps it for the next start, where the row may have been mended.
            Err(error) => return Err(error.into()),
        };
        self.conclude(&attempt, &renewed, journaled, outcome).await;
        Ok(match outcome {
            CommitOutcome::Committed => Some(self.keep(&attempt.subject, renewed.credential)),
            CommitOutcome::Orphaned | CommitOutcome::Gone => None,
        })
    }

    /// Storing is tried for as long as the process lives: there may be no other copy of the refresh token.
    async fn store_at_last(
        &self,
        attempt: &Attempt,
        renewed: &Renewed,
    ) -> Result<CommitOutcome, StorageError> {
        let (refreshes, id) = (
            &self.shared.ports.refreshes,
            attempt.claim().connection_id.as_str(),
        );
        (|| refreshes.commit(attempt.claim(), renewed))
            .retry(until_stored())
            .when(|error| matches!(error, StorageError::Unavailable(_)))
            .notify(|_, pause| {
                tracing::error!(id, ?pause, "a renewed credential cannot be stored yet");
            })
            .await
    }

    /// What is left to do once the database has spoken.
    async fn conclude(
        &self,
        attempt: &Attempt,
        renewed: &Renewed,
        journaled: Option<Journaled>,
        outcome: CommitOutcome,
    ) {
        let id = attempt.claim().connection_id.as_str();
        match outcome {
            CommitOutcome::Committed => {}
            CommitOutcome::Orphaned => {
                let epoch = attempt.claim().epoch;
                tracing::warn!(id, epoch, "a renewed credential came too late; it is kept");
                self.shared
                    .cache
                    .forget_connection(&attempt.claim().connection_id);
            }
            CommitOutcome::Gone => {
                self.shared
                    .cache
                    .forget_connection(&attempt.claim().connection_id);
                // Disconnected meanwhile: nothing may stay alive at the provider.
                self.revoke_at_provider(attempt.registration(), &renewed.credential)
                    .await;
            }
        }
        if let Some(Journaled { page, .. }) = journaled {
            // Nobody waits for the disk to forget.
            self.shared.tasks.spawn(page.discard());
        }
    }

    fn renewed(&self, attempt: &Attempt, credential: Credential) -> Renewed {
        let facts = &attempt.subject.facts;
        let config = &attempt.subject.connection.connection_config;
        Renewed {
            connection_config: attempt.learned.then(|| config.clone()),
            renewal_time: self.renewal_time(facts, &attempt.subject.connection, &credential),
            // With the token before goes the config that it came with.
            supersedes_at_once: !facts.access_token_survives_refresh || attempt.learned,
            credential,
        }
    }

    /// When a connection with this credential is to be renewed although nobody asks.
    pub(crate) fn renewal_time(
        &self,
        facts: &RefreshFacts,
        connection: &Connection,
        credential: &Credential,
    ) -> Option<Timestamp> {
        credential.refresh_token.as_ref()?;
        let used = connection
            .last_use_time
            .unwrap_or(connection.authorize_time);
        let renewable = Renewable {
            received: credential.receive_time,
            expires: credential.expiry.time(),
            refresh_expires: credential.refresh_expire_time,
            used: used.max(connection.authorize_time),
        };
        let (now, roll) = (
            self.shared.ports.clock.now(),
            self.shared.ports.chance.roll(),
        );
        let policy = &self.shared.options.refresh_policy;
        Some(policy.renewal_time(facts, renewable, now, roll))
    }
}
