//! The provider's answer in the browser: compared with what was sent, kept sealed, activating nothing.

use std::collections::BTreeMap;

use tokend_model::{
    Authorization, AuthorizationState, ConnectionConfig, Connector, PendingCode, Secret,
    ports::ReturnedState,
};
use url::Url;

use crate::{Error, Vending, one_time};

/// The callback's parameters (RFC 6749 sections 4.1.2 and 4.1.2.1) and where they arrived.
#[derive(Debug, Clone, Default)]
pub struct ProviderCallback {
    /// The last segment of the redirect URI.
    pub context: String,
    /// The `state` parameter.
    pub state: Option<Secret>,
    /// The `code` parameter.
    pub code: Option<Secret>,
    /// The `error` parameter.
    pub error: Option<String>,
    /// The other parameters: some providers tell which account or instance it is.
    pub parameters: BTreeMap<String, String>,
    /// The cookie that binds the attempt to the browser.
    pub browser_binding: Option<Secret>,
}

/// Where the browser goes from the callback.
#[derive(Debug, Clone)]
pub enum CallbackOutcome {
    /// Back to the app, which completes with what the query holds.
    ReturnTo(Secret),
    /// To a page of our own on which the user confirms.
    Confirm {
        /// The attempt.
        authorization: Box<Authorization>,
        /// Proves, with the form, that this browser confirms.
        completion_token: Secret,
    },
    /// To a page of our own: whoever started, at a terminal or a control plane, completes.
    StarterCompletes(Box<Authorization>),
    /// To a page of our own: the user said no.
    Denied(Box<Authorization>),
}

impl Vending {
    /// Takes the provider's answer. The `state` is used up whatever comes of it; the code is only kept.
    pub async fn receive_callback(
        &self,
        callback: &ProviderCallback,
    ) -> Result<CallbackOutcome, Error> {
        let ports = &self.shared.ports;
        let state = callback
            .state
            .as_ref()
            .ok_or_else(|| Error::invalid("state", "is missing"))?;
        let ReturnedState {
            authorization,
            browser_hash,
        } = ports
            .authorizations
            .take_state(&one_time::hash(state.expose()))
            .await?
            .ok_or(Error::AuthorizationNotFound)?;
        if let Err(error) = self.check_callback(callback, &authorization, &browser_hash) {
            self.end(&authorization, AuthorizationState::Failed, error.reason())
                .await?;
            return Err(error);
        }
        if let Some(error) = &callback.error {
            return self.refused(authorization, error).await;
        }
        let Some(code) = callback.code.clone().filter(|code| !code.is_empty()) else {
            self.end(
                &authorization,
                AuthorizationState::Failed,
                "AUTHORIZATION_FAILED",
            )
            .await?;
            return Err(Error::AuthorizationFailed {
                why: "the provider sent no code".to_owned(),
            });
        };
        let connection_config = match self.learn(&authorization, &callback.parameters).await {
            Ok(connection_config) => connection_config,
            Err(error) => {
                self.end(&authorization, AuthorizationState::Failed, error.reason())
                    .await?;
                return Err(error);
            }
        };
        let binding = callback.browser_binding.as_ref();
        self.keep_code(authorization, code, connection_config, binding)
            .await
    }

    /// The attempt's connection config with what the callback tells.
    async fn learn(
        &self,
        authorization: &Authorization,
        parameters: &BTreeMap<String, String>,
    ) -> Result<ConnectionConfig, Error> {
        let ports = &self.shared.ports;
        let workspace = &authorization.workspace;
        let connector = ports
            .connectors
            .get(workspace, &authorization.connector_id)
            .await?
            .ok_or(Error::AuthorizationNotFound)?;
        let learned = ports.catalogue.learn_from_callback(
            workspace,
            &connector.integration_type,
            parameters,
        )?;
        let mut connection_config = authorization.connection_config.clone();
        connection_config.extend(learned);
        Ok(connection_config)
    }

    fn check_callback(
        &self,
        callback: &ProviderCallback,
        authorization: &Authorization,
        browser_hash: &[u8],
    ) -> Result<(), Error> {
        // A code that came back under another connector's redirect URI is a mix-up (RFC 9700 section 4.4).
        let expected = (
            authorization.workspace.clone(),
            authorization.connector_id.clone(),
        );
        if Connector::parse_callback_context(&callback.context) != Some(expected) {
            return Err(Error::CompletionMismatch);
        }
        // Before the binding: the cookie runs out with the attempt.
        if self.shared.ports.clock.now() >= authorization.expire_time {
            return Err(Error::AuthorizationExpired);
        }
        let binding = callback
            .browser_binding
            .as_ref()
            .map(|value| one_time::hash(value.expose()));
        if binding.as_deref() != Some(browser_hash) {
            return Err(Error::CompletionMismatch);
        }
        Ok(())
    }

    async fn keep_code(
        &self,
        authorization: Authorization,
        code: Secret,
        connection_config: ConnectionConfig,
        browser_binding: Option<&Secret>,
    ) -> Result<CallbackOutcome, Error> {
        let (completion_token, mut completion_hash) = one_time::generate()?;
        if let (None, Some(binding)) = (&authorization.return_url, browser_binding) {
            // Our own page completes only in the browser that the attempt is bound to.
            completion_hash = one_time::hash(&confirmation(&completion_token, binding));
        }
        let pending = PendingCode {
            code,
            completion_hash,
            connection_config,
        };
        let kept = self
            .shared
            .ports
            .authorizations
            .store_code(&authorization.workspace, &authorization.id, &pending)
            .await?;
        let starter_holds_token = match kept {
            Some(starter_holds_token) => starter_holds_token,
            None => return Err(Error::AuthorizationExpired),
        };
        let completion_token = (!starter_holds_token).then_some(completion_token);
        let authorization = Box::new(authorization);
        match (&authorization.return_url, completion_token) {
            (Some(return_url), token) => {
                let mut query = vec![("authorization_id", authorization.id.as_str())];
                if let Some(token) = &token {
                    query.push(("completion_token", token.expose()));
                }
                Ok(CallbackOutcome::ReturnTo(with_query(return_url, &query)?))
            }
            (None, Some(completion_token)) => Ok(CallbackOutcome::Confirm {
                authorization,
                completion_token,
            }),
            (None, None) => Ok(CallbackOutcome::StarterCompletes(authorization)),
        }
    }

    /// The provider's `error`: only its standard codes (RFC 6749 section 4.1.2.1) go any further.
    async fn refused(
        &self,
        authorization: Authorization,
        error: &str,
    ) -> Result<CallbackOutcome, Error> {
        let denied = error == "access_denied";
        let (state, reason) = match denied {
            true => (AuthorizationState::Denied, "AUTHORIZATION_DENIED"),
            false => (AuthorizationState::Failed, "AUTHORIZATION_FAILED"),
        };
        self.end(&authorization, state, reason).await?;
        let known = [
            "access_denied",
            "invalid_request",
            "unauthorized_client",
            "unsupported_response_type",
            "invalid_scope",
            "server_error",
            "temporarily_unavailable",
        ];
        let error = known
            .iter()
            .find(|known| **known == error)
            .unwrap_or(&"unknown_error");
        tracing::info!(id = %authorization.id, error, "the provider ended an authorization");
        match &authorization.return_url {
            Some(return_url) => {
                let query = [
                    ("authorization_id", authorization.id.as_str()),
                    ("error", *error),
                ];
                Ok(CallbackOutcome::ReturnTo(with_query(return_url, &query)?))
            }
            None if denied => Ok(CallbackOutcome::Denied(Box::new(authorization))),
            None => Err(Error::AuthorizationFailed {
                why: format!("the provider said {error}"),
            }),
        }
    }

    pub(crate) async fn end(
        &self,
        authorization: &Authorization,
        state: AuthorizationState,
        reason: &str,
    ) -> Result<(), Error> {
        let authorizations = &self.shared.ports.authorizations;
        Ok(authorizations
            .advance(&authorization.workspace, &authorization.id, state, reason)
            .await?)
    }
}

/// What completes from our own page: the token in it and the cookie of the browser that shows it.
pub(crate) fn confirmation(completion_token: &Secret, browser_binding: &Secret) -> String {
    format!("{}.{}", completion_token.expose(), browser_binding.expose())
}

fn with_query(return_url: &str, query: &[(&str, &str)]) -> Result<Secret, Error> {
    let mut url = Url::parse(return_url).map_err(|_| Error::Internal)?;
    url.query_pairs_mut().extend_pairs(query);
    Ok(Secret::new(url))
}
