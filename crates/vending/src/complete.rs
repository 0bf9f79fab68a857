//! Completing: whoever started proves to be the same, and only then the code is redeemed.

use std::sync::Arc;

use backon::Retryable;
use tokend_model::{
    Account, Authorization, AuthorizationId, AuthorizationState, Completion, Connection,
    ConnectionId, Connector, CredentialSource, Owner, Secret, TokenAnswer, TokenFailure,
    TokenFailureKind, WorkspaceName,
    ports::{NewConnection, Registration, StorageError},
};
use uuid::Uuid;

use crate::{
    Error, Vending, callback::confirmation, connectors::enabled, error::log_token_failure,
    one_time, refresh::until_stored,
};

/// Who claims to have started an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Starter {
    /// An operator or control plane, for any owner in its workspace.
    Operator,
    /// The app user whose JWT came with the call.
    Owner(Owner),
    /// Whoever holds the page we served to the browser that the attempt is bound to.
    Browser,
}

impl Vending {
    /// Redeems the waiting code and stores the connection, in a task that outlives the caller.
    ///
    /// Anybody but the starter, or a token that is not the attempt's, is [`Error::CompletionMismatch`], and nothing is
    /// redeemed (session fixation: draft-ietf-oauth-security-topics-update).
    pub async fn complete_authorization(
        &self,
        workspace: &WorkspaceName,
        id: &AuthorizationId,
        completion_token: &Secret,
        starter: &Starter,
    ) -> Result<Connection, Error> {
        let authorization = self.authorization(workspace, id).await?;
        let is_starter = match starter {
            Starter::Operator => true,
            Starter::Owner(owner) => *owner == authorization.owner,
            // An app that named a return URL completes itself, with its user's JWT.
            Starter::Browser => authorization.return_url.is_none(),
        };
        if !is_starter {
            return Err(Error::CompletionMismatch);
        }
        self.may_be_completed(&authorization)?;
        let (this, authorization) = (self.clone(), Arc::new(authorization));
        let completion_hash = one_time::hash(completion_token.expose());
        let task = self
            .shared
            .tasks
            .spawn(async move { this.redeem_code(&authorization, &completion_hash).await });
        task.await.unwrap_or(Err(Error::Internal))
    }

    /// Completes from the page that [`crate::CallbackOutcome::Confirm`] was shown on, in the same browser.
    pub async fn complete_in_browser(
        &self,
        context: &str,
        id: &AuthorizationId,
        completion_token: &Secret,
        browser_binding: &Secret,
    ) -> Result<Connection, Error> {
        let (workspace, _) =
            Connector::parse_callback_context(context).ok_or(Error::AuthorizationNotFound)?;
        let token = Secret::new(confirmation(completion_token, browser_binding));
        self.complete_authorization(&workspace, id, &token, &Starter::Browser)
            .await
    }

    fn may_be_completed(&self, authorization: &Authorization) -> Result<(), Error> {
        match authorization.state {
            AuthorizationState::Denied => return Err(Error::AuthorizationDenied),
            AuthorizationState::Failed
                if authorization.failure_reason == Error::AuthorizationExpired.reason() =>
            {
                return Err(Error::AuthorizationExpired);
            }
            AuthorizationState::Failed => {
                let why = authorization.failure_reason.clone();
                return Err(Error::AuthorizationFailed { why });
            }
            AuthorizationState::Completed | AuthorizationState::Completing => {
                return Err(Error::AuthorizationExpired);
            }
            _ if self.shared.ports.clock.now() >= authorization.expire_time => {
                return Err(Error::AuthorizationExpired);
            }
            AuthorizationState::Started | AuthorizationState::AwaitingConsent => {
                return Err(Error::AuthorizationPending);
            }
            AuthorizationState::AwaitingCompletion => {}
        }
        Ok(())
    }

    async fn redeem_code(
        &self,
        authorization: &Authorization,
        completion_hash: &[u8],
    ) -> Result<Connection, Error> {
        let ports = &self.shared.ports;
        let connector = ports
            .connectors
            .get(&authorization.workspace, &authorization.connector_id)
            .await?
            .ok_or(Error::AuthorizationNotFound)?;
        enabled(&connector)?;
        self.may_call_providers()?;
        // Read before the code is spent: afterwards nothing may stand between the answer and storage.
        let present = ports
            .connections
            .locate(
                &authorization.workspace,
                &connector.id,
                &authorization.owner,
                &authorization.label,
            )
            .await?;
        let completion = ports
            .authorizations
            .begin_completion(&authorization.workspace, &authorization.id, completion_hash)
            .await?
            .ok_or(Error::CompletionMismatch)?;
        let registration = Registration {
            connector: &connector,
            connection_config: &authorization.connection_config,
        };
        let Completion {
            code,
            pkce_verifier,
            redirect_uri,
            ..
        } = &completion;
        let redeemed = ports
            .authorization_server
            .redeem_code(registration, code, pkce_verifier, redirect_uri)
            .await;
        let answer = match redeemed {
            Ok(answer) => answer,
            Err(failure) => {
                return Err(self
                    .code_refused(authorization, &connector, &failure)
                    .await?);
            }
        };
        match self.store(authorization, &connector, present, answer).await {
            Ok(connection) => Ok(connection),
            Err(error) => {
                self.end(authorization, AuthorizationState::Failed, error.reason())
                    .await?;
                Err(error)
            }
        }
    }

    /// Writes down why the code brought nothing, and answers it.
    async fn code_refused(
        &self,
        authorization: &Authorization,
        connector: &Connector,
        failure: &TokenFailure,
    ) -> Result<Error, Error> {
        log_token_failure("redeem_code", authorization.id.as_str(), failure);
        let pause = self
            .shared
            .options
            .refresh_policy
            .pause(1, failure.retry_after, 1.0);
        let in_general = Error::from_token_failure(failure.kind, connector.id.as_str(), pause);
        // A code that was not looked at may be tried again; any other may be spent (RFC 6749 section 4.1.2).
        let (state, error) = match failure.kind {
            TokenFailureKind::NotSent | TokenFailureKind::RateLimited => {
                (AuthorizationState::AwaitingCompletion, in_general)
            }
            TokenFailureKind::ClientRejected => (AuthorizationState::Failed, in_general),
            kind => {
                let why = match kind {
                    TokenFailureKind::GrantRejected => "the provider did not accept its own code",
                    TokenFailureKind::Ambiguous => {
                        "the provider did not answer when the code was redeemed"
                    }
                    _ => "the provider gave no token for the code",
                };
                let why = why.to_owned();
                (
                    AuthorizationState::Failed,
                    Error::AuthorizationFailed { why },
                )
            }
        };
        self.end(authorization, state, error.reason()).await?;
        Ok(error)
    }

    /// Stores first and asks whose account it is later, unless the answer has no refresh token and an old one could
    /// stay: that depends on whose account it is.
    async fn store(
        &self,
        authorization: &Authorization,
        connector: &Connector,
        present: Option<Connection>,
        answer: TokenAnswer,
    ) -> Result<Connection, Error> {
        let ports = &self.shared.ports;
        let mut connection_config = authorization.connection_config.clone();
        connection_config.extend(answer.captured.clone());
        let registration = Registration {
            connector,
            connection_config: &connection_config,
        };
        let mut new = NewConnection {
            id: ConnectionId::from_uuid(Uuid::now_v7()),
            workspace: authorization.workspace.clone(),
            connector_id: connector.id.clone(),
            integration_type: connector.integration_type.clone(),
            owner: authorization.owner.clone(),
            label: authorization.label.clone(),
            account: Account::default(),
            connection_config: connection_config.clone(),
            scopes: answer
                .scopes
                .clone()
                .unwrap_or_else(|| authorization.scopes.clone()),
            answer,
            source: CredentialSource::Authorization,
            keep_refresh_token: false,
            renewal_time: None,
            authorization: Some(authorization.id.clone()),
        };
        let access_token = new.answer.access_token.clone();
        let account_first = new.answer.refresh_token.is_none() && present.is_some();
        if account_first {
            new.account = self
                .identify(registration, &access_token, authorization.id.as_str())
                .await
                .map_err(
                    // Not knowing, we would either lose the old refresh token or mix two accounts: leave all as it was.
                    |_| Error::AuthorizationFailed {
                        why:
                            "the provider gave no refresh token and did not say whose account it is"
                                .to_owned(),
                    },
                )?;
            new.keep_refresh_token = present
                .is_some_and(|old| old.account.id.is_some() && old.account.id == new.account.id);
        }
        let now = ports.clock.now();
        new.renewal_time = self.first_renewal_time(&new, now);
        // As with a renewal, the answer may hold the only living refresh token.
        let mut connection = (|| ports.connections.connect(&new, now))
            .retry(until_stored())
            .when(|error| matches!(error, StorageError::Unavailable(_)))
            .notify(|_, pause| {
                let id = authorization.id.as_str();
                tracing::error!(id, ?pause, "a new connection cannot be stored yet");
            })
            .await?;
        self.shared.cache.remove(&self.cache_key_of(&connection));
        if !account_first {
            self.learn_account(&mut connection, connector, &access_token)
                .await;
        }
        Ok(connection)
    }
}
