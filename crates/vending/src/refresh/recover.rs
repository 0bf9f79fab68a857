//! Recovery: what dead processes had in their journals is committed, or kept, before this one goes on.

use backon::Retryable;
use tokend_model::{
    Connection, Credential, TokenAnswer, TokenFailureKind,
    ports::{Claim, CommitOutcome, JournaledAnswer, Registration, Renewed, StorageError},
};

use super::{
    attempt::{learn, succeed},
    until_stored,
};
use crate::{Error, Vending};

impl Vending {
    /// Reads the journal that earlier processes left, and stores every answer in it; answers how many there were.
    /// To be called before this process renews anything. Without the database it waits for it; in one that may not be
    /// ours it does nothing.
    pub async fn recover_journal(&self) -> Result<usize, Error> {
        if self.may_call_providers().is_err() {
            // What is there may belong to another database than this one.
            return Ok(0);
        }
        let left_behind = match self.shared.ports.journal.left_behind().await {
            Ok(left_behind) => left_behind,
            Err(error) => {
                tracing::error!(%error, source = ?error.source, "the journal is not read");
                return Err(Error::JournalUnavailable);
            }
        };
        let count = left_behind.len();
        for journaled in left_behind {
            let id = journaled.claim.connection_id.clone();
            if let Err(error) = self.recover(journaled).await {
                tracing::error!(%id, %error, "a journaled answer stays in the journal");
            }
        }
        Ok(count)
    }

    async fn recover(&self, journaled: JournaledAnswer) -> Result<(), Error> {
        let JournaledAnswer {
            claim,
            answer,
            page,
        } = journaled;
        let connections = &self.shared.ports.connections;
        let found = (|| connections.get(&claim.workspace, &claim.connection_id))
            .retry(until_stored())
            .when(|error| matches!(error, StorageError::Unavailable(_)))
            .await?;
        let Some((connection, present)) = found else {
            tracing::warn!(id = %claim.connection_id, "a journaled answer is for a connection that is gone");
            page.set_aside().await;
            return Ok(());
        };
        let connector = self.connector_of(&connection).await?;
        let registration = Registration {
            connector: &connector,
            connection_config: &connection.connection_config,
            token: connection.token_kind(),
        };
        let server = &self.shared.ports.authorization_server;
        let answer = match server.read_refresh_answer(registration, &answer).await {
            Ok(answer) => answer,
            Err(failure) => {
                tracing::warn!(id = %claim.connection_id, kind = ?failure.kind, "a journaled answer gives no token");
                match failure.kind {
                    TokenFailureKind::Garbage => page.set_aside().await,
                    _ => page.discard().await,
                }
                return Ok(());
            }
        };
        let base = match present {
            Some(present) if present.generation == claim.base => Some(present),
            // It is committed already, or somebody else's is: the base stays for one more generation.
            _ => {
                let (workspace, id) = (&claim.workspace, &claim.connection_id);
                let refreshes = &self.shared.ports.refreshes;
                refreshes
                    .previous_credential(workspace, id, claim.base.next())
                    .await?
            }
        };
        let renewed = self.recovered(&connection, base.as_ref(), &claim, answer);
        let refreshes = &self.shared.ports.refreshes;
        let outcome = (|| refreshes.commit(&claim, &renewed))
            .retry(until_stored())
            .when(|error| matches!(error, StorageError::Unavailable(_)))
            .await?;
        tracing::info!(id = %claim.connection_id, ?outcome, "a journaled answer was recovered");
        if outcome == CommitOutcome::Gone && self.may_call_providers().is_ok() {
            self.revoke_at_provider(registration, &renewed.credential)
                .await;
        }
        page.discard().await;
        Ok(())
    }

    fn recovered(
        &self,
        connection: &Connection,
        base: Option<&Credential>,
        claim: &Claim,
        answer: TokenAnswer,
    ) -> Renewed {
        let facts = self.facts(connection);
        let mut connection = connection.clone();
        let learned = learn(&mut connection, &answer.captured);
        let credential = match base {
            Some(base) => succeed(base, answer),
            None => succeed(&without_secrets(claim, &answer), answer),
        };
        Renewed {
            renewal_time: self.renewal_time(&facts, &connection, &credential),
            connection_config: learned.then_some(connection.connection_config),
            supersedes_at_once: !facts.access_token_survives_refresh,
            credential,
        }
    }
}

/// Stands in for a base generation that is gone: nothing of it can be kept.
fn without_secrets(claim: &Claim, answer: &TokenAnswer) -> Credential {
    Credential {
        generation: claim.base,
        access_token: answer.access_token.clone(),
        token_type: answer.token_type.clone(),
        refresh_token: None,
        expiry: answer.expiry,
        refresh_expire_time: None,
        scopes: Vec::new(),
        receive_time: answer.receive_time,
    }
}
