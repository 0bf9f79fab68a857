//! Completing: whoever started proves to be the same, and only then the code is redeemed.

use std::sync::Arc;

use backon::Retryable;
use tokend_model::{
    Authorization, AuthorizationId, AuthorizationState, Connection, Connector, CredentialSource,
    Owner, PendingGrant, Secret, TokenAnswer, TokenFailure, TokenFailureKind, WorkspaceName,
    ports::{Registration, StorageError},
};

use crate::{
    Error, Vending,
    account_change::AccountRule,
    callback::confirmation,
    connectors::enabled,
    error::{ACCOUNT_CHANGED, log_token_failure},
    new_connection::{FreshGrant, Unsettled},
    one_time,
    refresh::until_stored,
};

/// What whoever completes an attempt shows and says.
#[derive(Debug, Clone)]
pub struct CompleteAuthorization {
    /// The workspace it lives in.
    pub workspace: WorkspaceName,
    /// The attempt.
    pub id: AuthorizationId,
    /// What was handed out when it was started, or on the return URL.
    pub completion_token: Secret,
    /// Who they claim to be.
    pub starter: Starter,
    /// Whether another account than the connection's is taken.
    pub accept_account_change: bool,
}

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
    /// Redeems the waiting code and stores the connection, in a task that outlives the caller. Where a person has yet to
    /// consent, or the starter to accept another account, or the provider to tell what is needed, the error says so, and
    /// the attempt is completed again later.
    ///
    /// Anybody but the starter, or a token that is not the attempt's, is [`Error::CompletionMismatch`], and nothing is
    /// redeemed (session fixation: draft-ietf-oauth-security-topics-update).
    pub async fn complete_authorization(
        &self,
        complete: &CompleteAuthorization,
    ) -> Result<Connection, Error> {
        let authorization = self
            .authorization(&complete.workspace, &complete.id)
            .await?;
        let is_starter = match &complete.starter {
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
        let completion_hash = one_time::hash(complete.completion_token.expose());
        let accepted = complete.accept_account_change;
        let task = self.shared.tasks.spawn(async move {
            this.complete(&authorization, &completion_hash, accepted)
                .await
        });
        task.await.unwrap_or(Err(Error::Internal))
    }

    /// Completes from the page that [`crate::CallbackOutcome::Confirm`] was shown on, in the same browser.
    pub async fn complete_in_browser(
        &self,
        context: &str,
        id: &AuthorizationId,
        completion_token: &Secret,
        browser_binding: &Secret,
        accept_account_change: bool,
    ) -> Result<Connection, Error> {
        let authorization = self.authorization_under(context, id).await?;
        self.complete_authorization(&CompleteAuthorization {
            workspace: authorization.workspace,
            id: id.clone(),
            completion_token: Secret::new(confirmation(completion_token, browser_binding)),
            starter: Starter::Browser,
            accept_account_change,
        })
        .await
    }

    /// The attempt that a page under a redirect URI is about; under another connector's than its own it is not known.
    pub async fn authorization_under(
        &self,
        context: &str,
        id: &AuthorizationId,
    ) -> Result<Authorization, Error> {
        let (workspace, connector_id) =
            Connector::parse_callback_context(context).ok_or(Error::AuthorizationNotFound)?;
        let authorization = self.authorization(&workspace, id).await?;
        match authorization.connector_id == connector_id {
            true => Ok(authorization),
            false => Err(Error::AuthorizationNotFound),
        }
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

    async fn complete(
        &self,
        authorization: &Authorization,
        completion_hash: &[u8],
        accepted: bool,
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
        let authorization = &completion.authorization;
        let answer = match completion.grant {
            PendingGrant::Code {
                code,
                pkce_verifier,
                redirect_uri,
            } => {
                self.redeem_code(
                    authorization,
                    &connector,
                    &code,
                    &pkce_verifier,
                    &redirect_uri,
                )
                .await?
            }
            PendingGrant::Device(device) => {
                self.ask_about_device(authorization, &connector, device)
                    .await?
            }
            PendingGrant::Answer(held) => *held,
        };
        let settled = self
            .settle(FreshGrant {
                connector: &connector,
                owner: &authorization.owner,
                label: &authorization.label,
                scopes: &authorization.scopes,
                connection_config: &authorization.connection_config,
                tags: (!authorization.tags.is_empty()).then_some(&authorization.tags),
                answer: &answer,
                source: CredentialSource::Authorization,
                present: present.as_ref(),
                accounts: AccountRule::of(&connector, accepted),
                authorization: Some(&authorization.id),
            })
            .await;
        let unsettled = match settled {
            Ok(connection) => return Ok(connection),
            Err(unsettled) => unsettled,
        };
        self.unsettled(authorization, &connector, answer, unsettled)
            .await
    }

    /// What becomes of tokens that are no connection, and of their attempt.
    async fn unsettled(
        &self,
        authorization: &Authorization,
        connector: &Connector,
        answer: TokenAnswer,
        unsettled: Unsettled,
    ) -> Result<Connection, Error> {
        let (error, revocable) = match unsettled {
            Unsettled::NotYet(error) => {
                // That they are another account's stays true, and decides what becomes of them in the end.
                let reason = match authorization.failure_reason.as_str() {
                    ACCOUNT_CHANGED => ACCOUNT_CHANGED,
                    _ => error.reason(),
                };
                if let Err(lost) = self.hold(authorization, &answer, reason).await {
                    self.revoke_unless_kept(connector, authorization, answer)
                        .await;
                    return Err(lost.into());
                }
                return Err(error);
            }
            Unsettled::Refused { error, revocable } => (error, revocable),
            Unsettled::Failed(error) => {
                self.revoke_unless_kept(connector, authorization, answer.clone())
                    .await;
                (error, false)
            }
        };
        let failed = AuthorizationState::Failed;
        let ended = self.end(authorization, failed, error.reason()).await;
        if revocable {
            self.revoke_fresh(connector, authorization, answer).await;
        }
        ended?;
        Err(error)
    }

    /// Like a new connection: there may be no other copy of the refresh token.
    async fn hold(
        &self,
        authorization: &Authorization,
        answer: &TokenAnswer,
        reason: &str,
    ) -> Result<(), StorageError> {
        let (workspace, id) = (&authorization.workspace, &authorization.id);
        let authorizations = &self.shared.ports.authorizations;
        (|| authorizations.hold(workspace, id, answer, reason))
            .retry(until_stored())
            .when(|error| matches!(error, StorageError::Unavailable(_)))
            .notify(|_, pause| {
                tracing::error!(%id, ?pause, "tokens cannot be held yet");
            })
            .await
    }

    async fn redeem_code(
        &self,
        authorization: &Authorization,
        connector: &Connector,
        code: &Secret,
        pkce_verifier: &Secret,
        redirect_uri: &str,
    ) -> Result<TokenAnswer, Error> {
        let registration = Registration {
            connector,
            connection_config: &authorization.connection_config,
            token: "",
        };
        let server = &self.shared.ports.authorization_server;
        let redeemed = server
            .redeem_code(registration, code, pkce_verifier, redirect_uri)
            .await;
        match redeemed {
            Ok(answer) => Ok(answer),
            Err(failure) => Err(self
                .code_refused(authorization, connector, &failure)
                .await?),
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
        let in_general = self.call_failed(connector, failure);
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
}
