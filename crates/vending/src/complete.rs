//! Completing: whoever started proves to be the same, and only then the code is redeemed.

use std::sync::Arc;

use tokend_model::{
    Account, Authorization, AuthorizationId, AuthorizationState, Completion, Connection,
    ConnectionId, Connector, Owner, Secret, TokenAnswer, TokenFailureKind, WorkspaceName,
    ports::{NewConnection, Registration},
};
use uuid::Uuid;

use crate::{Error, Vending, error::log_token_failure, one_time};

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
        if matches!(starter, Starter::Owner(owner) if *owner != authorization.owner) {
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

    /// Completes from the page that [`crate::CallbackOutcome::Confirm`] was shown on.
    pub async fn complete_in_browser(
        &self,
        context: &str,
        id: &AuthorizationId,
        completion_token: &Secret,
    ) -> Result<Connection, Error> {
        let (workspace, _) =
            Connector::parse_callback_context(context).ok_or(Error::AuthorizationNotFound)?;
        self.complete_authorization(&workspace, id, completion_token, &Starter::Browser)
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
        match redeemed {
            Ok(answer) => match self.store(authorization, &connector, answer).await {
                Ok(connection) => Ok(connection),
                Err(error) => {
                    self.end(authorization, AuthorizationState::Failed, error.reason())
                        .await?;
                    Err(error)
                }
            },
            Err(failure) => {
                log_token_failure("redeem_code", authorization.id.as_str(), &failure);
                let unspent = failure.kind == TokenFailureKind::NotSent;
                let pause = self
                    .shared
                    .options
                    .refresh_policy
                    .pause(1, failure.retry_after, 1.0);
                let error = match failure.kind {
                    TokenFailureKind::GrantRejected => Error::AuthorizationFailed {
                        why: "the provider did not accept its own code".to_owned(),
                    },
                    kind => Error::from_token_failure(kind, connector.id.as_str(), pause),
                };
                // A code that never left may be tried again; any other may be spent (RFC 6749 section 4.1.2).
                let state = match unspent {
                    true => AuthorizationState::AwaitingCompletion,
                    false => AuthorizationState::Failed,
                };
                self.end(authorization, state, error.reason()).await?;
                Err(error)
            }
        }
    }

    /// Stores first and asks whose account it is later, unless the answer has no refresh token and an old one could
    /// stay: that depends on whose account it is.
    async fn store(
        &self,
        authorization: &Authorization,
        connector: &Connector,
        answer: TokenAnswer,
    ) -> Result<Connection, Error> {
        let ports = &self.shared.ports;
        let mut connection_config = authorization.connection_config.clone();
        connection_config.extend(answer.captured.clone());
        let registration = Registration {
            connector,
            connection_config: &connection_config,
        };
        let present = ports
            .connections
            .find(
                &authorization.workspace,
                &connector.id,
                &authorization.owner,
                &authorization.label,
            )
            .await?;
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
            keep_refresh_token: false,
            authorization: Some(authorization.id.clone()),
        };
        let access_token = new.answer.access_token.clone();
        let account_first = new.answer.refresh_token.is_none() && present.is_some();
        if account_first {
            new.account = self
                .identify(registration, &access_token, authorization)
                .await;
            new.keep_refresh_token = present.is_some_and(|(old, _)| {
                old.account.id.is_some() && old.account.id == new.account.id
            });
        }
        let mut connection = ports.connections.connect(&new, ports.clock.now()).await?;
        if !account_first {
            let account = self
                .identify(registration, &access_token, authorization)
                .await;
            if account != Account::default() {
                ports
                    .connections
                    .set_account(&connection.workspace, &connection.id, &account)
                    .await?;
                connection.account = account;
            }
        }
        self.shared.cache.remove(&self.cache_key_of(&connection));
        Ok(connection)
    }

    /// Whose account it is, as far as the provider tells; a connection works without knowing.
    async fn identify(
        &self,
        registration: Registration<'_>,
        access_token: &Secret,
        authorization: &Authorization,
    ) -> Account {
        match self
            .shared
            .ports
            .authorization_server
            .identify(registration, access_token)
            .await
        {
            Ok(account) => account,
            Err(failure) => {
                log_token_failure("identify", authorization.id.as_str(), &failure);
                Account::default()
            }
        }
    }
}
