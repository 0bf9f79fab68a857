//! Another account on connecting again: refused, confirmed first, or taken.

use tokend_model::{
    Account, AccountChange, Authorization, AuthorizationState, Connection, ConnectionStatus,
    Connector, Credential, Generation, TokenAnswer, ports::Registration,
};

use crate::{Error, Vending, error::ACCOUNT_CHANGED};

/// So many held grants are ended in one go.
const BATCH: u64 = 100;

/// Which accounts a fresh grant may be of, where there is a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccountRule {
    /// Whoever's.
    Any,
    /// The connection's own; another is the starter's to accept.
    AskForOther,
    /// The connection's own only.
    SameOnly,
}

impl AccountRule {
    /// What a connector says of it, once the starter has accepted another account or not.
    pub(crate) fn of(connector: &Connector, accepted: bool) -> Self {
        match connector.account_change {
            AccountChange::Accept => Self::Any,
            AccountChange::Ask if accepted => Self::Any,
            AccountChange::Ask => Self::AskForOther,
            AccountChange::Refuse => Self::SameOnly,
        }
    }
}

/// Whether both accounts are known and not the same.
pub(crate) fn is_other_account(present: &Connection, account: &Account) -> bool {
    match (&present.account.id, &account.id) {
        (Some(present), Some(fresh)) => present != fresh,
        _ => false,
    }
}

impl Vending {
    /// Ends attempts whose time ran out and erases what is sealed for them; what they held is revoked at the provider
    /// first. One that is being completed is given the time that takes; one that cannot be ended is left for the next
    /// time.
    pub async fn expire_authorizations(&self) -> Result<u64, Error> {
        let ports = &self.shared.ports;
        let deadline = ports.clock.now() - self.shared.options.claim_time_to_live * 3;
        let abandoned = ports.authorizations.abandoned(deadline, BATCH).await?;
        let mut ended = 0;
        for (authorization, answer) in abandoned {
            // Replicas may do so at once: revoking twice does no harm.
            match self.give_up(&authorization, answer).await {
                Ok(()) => ended += 1,
                Err(error) => {
                    let id = &authorization.id;
                    tracing::error!(%id, %error, "an attempt that held tokens was not ended");
                }
            }
        }
        let reason = Error::AuthorizationExpired.reason();
        Ok(ended + ports.authorizations.expire(deadline, reason).await?)
    }

    async fn give_up(
        &self,
        authorization: &Authorization,
        answer: TokenAnswer,
    ) -> Result<(), Error> {
        let ports = &self.shared.ports;
        let connector = ports
            .connectors
            .get(&authorization.workspace, &authorization.connector_id)
            .await?;
        if let Some(connector) = connector
            && (authorization.failure_reason == ACCOUNT_CHANGED
                || !self.has_live_connection(authorization).await?)
        {
            self.revoke_fresh(&connector, authorization, answer).await;
        }
        let reason = Error::AuthorizationExpired.reason();
        self.end(authorization, AuthorizationState::Failed, reason)
            .await
    }

    /// Revokes tokens that could be stored neither as a connection nor with their attempt, which was ended or erased
    /// meanwhile. An earlier try may have stored them without our hearing of it.
    pub(crate) async fn revoke_unless_kept(
        &self,
        connector: &Connector,
        authorization: &Authorization,
        answer: TokenAnswer,
    ) {
        use AuthorizationState::{AwaitingCompletion, Completed};
        let (workspace, id) = (&authorization.workspace, &authorization.id);
        let is_nobodys = match self.shared.ports.authorizations.get(workspace, id).await {
            // With the attempt its owner's connections go, or its connector's.
            Ok(None) => Ok(true),
            Ok(Some(now)) if matches!(now.state, Completed | AwaitingCompletion) => Ok(false),
            Ok(Some(_)) => self.has_live_connection(authorization).await.map(|is| !is),
            Err(error) => Err(error.into()),
        };
        match is_nobodys {
            Ok(true) => self.revoke_fresh(connector, authorization, answer).await,
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%id, %error, "a grant that became no connection was not revoked")
            }
        }
    }

    /// Whether its owner has a connection whose grant may be the attempt's as well.
    async fn has_live_connection(&self, authorization: &Authorization) -> Result<bool, Error> {
        let Authorization {
            workspace,
            connector_id,
            owner,
            label,
            ..
        } = authorization;
        let connections = &self.shared.ports.connections;
        let present = connections
            .locate(workspace, connector_id, owner, label)
            .await?;
        Ok(may_share_grant(present.as_ref()))
    }

    /// Tells the provider that a grant which became no connection is over.
    pub(crate) async fn revoke_fresh(
        &self,
        connector: &Connector,
        authorization: &Authorization,
        answer: TokenAnswer,
    ) {
        let mut config = authorization.connection_config.clone();
        config.extend(answer.captured.clone());
        let others = answer.others.clone();
        let tokens = [(String::new(), answer)].into_iter().chain(others);
        for (token, answer) in tokens {
            let registration = Registration {
                connector,
                connection_config: &config,
                token: &token,
            };
            let credential = Credential {
                generation: Generation::FIRST,
                access_token: answer.access_token,
                token_type: answer.token_type,
                refresh_token: answer.refresh_token,
                expiry: answer.expiry,
                refresh_expire_time: answer.refresh_expire_time,
                scopes: answer.scopes.unwrap_or_default(),
                receive_time: answer.receive_time,
            };
            self.revoke_at_provider(registration, &credential).await;
        }
    }
}

/// Whether revoking a fresh grant of the same owner's could end the connection that is there: to many providers all
/// tokens of one user and client are one grant.
pub(crate) fn may_share_grant(present: Option<&Connection>) -> bool {
    present.is_some_and(|present| {
        matches!(
            present.status,
            ConnectionStatus::Authorized | ConnectionStatus::Expired
        )
    })
}
