//! What every way of making a connection shares: completing its config, telling whose account it is, storing it, and
//! when it is renewed first.

use std::collections::BTreeMap;

use backon::Retryable;
use tokend_model::{
    Account, AuthorizationId, Connection, ConnectionConfig, ConnectionId, Connector,
    CredentialSource, InvalidConnectionConfig, Label, Owner, RefreshFacts, Renewable, Secret,
    Timestamp, TokenAnswer, TokenFailure, TokenFailureKind,
    ports::{
        DiscoveryFailure, Identified, NewConnection, Registration, StorageError,
        UnusableRegistration,
    },
};
use uuid::Uuid;

use crate::{
    Error, Vending,
    account_change::{AccountRule, is_other_account, may_share_grant},
    error::log_token_failure,
    refresh::until_stored,
};

/// Tokens that are about to become a connection.
pub(crate) struct FreshGrant<'a> {
    pub(crate) connector: &'a Connector,
    pub(crate) owner: &'a Owner,
    pub(crate) label: &'a Label,
    /// The scopes asked for, which are granted where the answer does not say.
    pub(crate) scopes: &'a [String],
    /// What is known so far; what the provider tells comes on top.
    pub(crate) connection_config: &'a ConnectionConfig,
    /// `None` for those it has.
    pub(crate) tags: Option<&'a BTreeMap<String, String>>,
    pub(crate) answer: &'a TokenAnswer,
    pub(crate) source: CredentialSource,
    /// The connection that is there, read before the tokens were got.
    pub(crate) present: Option<&'a Connection>,
    pub(crate) accounts: AccountRule,
    pub(crate) authorization: Option<&'a AuthorizationId>,
}

/// Why tokens did not become a connection.
pub(crate) enum Unsettled {
    /// They never will.
    Refused {
        error: Error,
        /// Whether they may be revoked without harm to the connection that is there.
        revocable: bool,
    },
    /// They may yet: the provider could not be asked, or the starter has to agree.
    NotYet(Error),
    /// They could not be stored.
    Failed(Error),
}

impl Vending {
    /// Makes the connection. It is stored first and asked whose account it is later, unless that decides whether or how
    /// it is stored: another account may not be wanted, the account's call may tell values that are needed, and an answer
    /// without a refresh token may leave the old one in place only for the same account.
    pub(crate) async fn settle(&self, fresh: FreshGrant<'_>) -> Result<Connection, Unsettled> {
        let FreshGrant {
            connector,
            answer,
            present,
            ..
        } = fresh;
        let mut config = fresh.connection_config.clone();
        config.extend(answer.captured.clone());
        let discovery = self.discover(connector, &mut config, answer).await;
        let discovery = match discovery {
            Err(DiscoveryFailure::Missing { name, description }) => {
                return Err(missing(vec![(name, description)], present));
            }
            Err(DiscoveryFailure::Call(failure)) => Some(failure),
            Ok(()) => None,
        };
        let judged = fresh.accounts != AccountRule::Any
            && present.is_some_and(|present| present.account.id.is_some());
        let may_keep = fresh.source == CredentialSource::Authorization
            && answer.refresh_token.is_none()
            && present.is_some();
        let id = fresh
            .authorization
            .map_or(connector.id.as_str(), |id| id.as_str());
        let mut account = None;
        let mut unidentified = None;
        if judged || may_keep || self.unlearned(connector, &config, false).is_some() {
            let registration = Registration {
                connector,
                connection_config: &config,
                token: "",
            };
            match self.identify(registration, &answer.access_token, id).await {
                Ok(identified) => {
                    config.extend(identified.learned);
                    account = Some(identified.account);
                }
                Err(failure) => unidentified = Some(failure),
            }
        }
        if let Some(unlearned) = self.unlearned(connector, &config, true) {
            return Err(match discovery.or(unidentified) {
                Some(failure) => self.not_told(connector, &failure, present),
                None => missing(unlearned, present),
            });
        }
        if let Some(failure) = unidentified {
            if judged {
                return Err(self.not_told(connector, &failure, present));
            }
            if may_keep {
                // Not knowing, we would either lose the old refresh token or mix two accounts: leave all as it was.
                let why = "the provider gave no refresh token and did not say whose account it is";
                return Err(Unsettled::Refused {
                    error: Error::AuthorizationFailed {
                        why: why.to_owned(),
                    },
                    revocable: false,
                });
            }
        }
        if let (Some(present), Some(account)) = (present, &account) {
            check_account(fresh.accounts, present, account)?;
        }
        self.store_fresh(fresh, config, account).await
    }

    /// Stores the connection; whose it is is asked afterwards where that is not known yet.
    pub(crate) async fn store_fresh(
        &self,
        fresh: FreshGrant<'_>,
        connection_config: ConnectionConfig,
        account: Option<Account>,
    ) -> Result<Connection, Unsettled> {
        let FreshGrant {
            connector, answer, ..
        } = fresh;
        let ports = &self.shared.ports;
        let known = account.clone().unwrap_or_default();
        let same = |present: &Connection| present.account.id == known.id && known.id.is_some();
        let mut new = NewConnection {
            id: ConnectionId::from_uuid(Uuid::now_v7()),
            workspace: connector.workspace.clone(),
            connector_id: connector.id.clone(),
            integration_type: connector.integration_type.clone(),
            owner: fresh.owner.clone(),
            label: fresh.label.clone(),
            keep_refresh_token: answer.refresh_token.is_none()
                && fresh.source == CredentialSource::Authorization
                && fresh.present.is_some_and(same),
            account: known,
            connection_config,
            scopes: self.granted_scopes(connector, "", answer, fresh.scopes),
            answer: answer.clone(),
            source: fresh.source,
            tags: fresh.tags.cloned(),
            renewal_time: None,
            authorization: fresh.authorization.cloned(),
            siblings: None,
        };
        let now = ports.clock.now();
        new.renewal_time = self.first_renewal_time(&new, now);
        // A person who enters one token says nothing of the others.
        if fresh.source == CredentialSource::Authorization {
            new.siblings = Some(self.new_siblings(connector, answer, fresh.scopes, now));
        }
        // As with a renewal, the answer may hold the only living refresh token.
        let stored = (|| ports.connections.connect(&new, now))
            .retry(until_stored())
            .when(|error| matches!(error, StorageError::Unavailable(_)))
            .notify(|_, pause| {
                let id = connector.id.as_str();
                tracing::error!(id, ?pause, "a new connection cannot be stored yet");
            })
            .await;
        let mut connection = stored.map_err(|error| Unsettled::Failed(error.into()))?;
        self.shared.cache.remove(&self.cache_key_of(&connection));
        self.forget_siblings(&connection);
        if account.is_none() {
            self.learn_account(&mut connection, connector, &answer.access_token)
                .await;
        }
        self.learn_accounts_beside(&connection, connector, answer)
            .await;
        Ok(connection)
    }

    /// Asks the provider's API for what the connection config still lacks.
    pub(crate) async fn discover(
        &self,
        connector: &Connector,
        config: &mut ConnectionConfig,
        answer: &TokenAnswer,
    ) -> Result<(), DiscoveryFailure> {
        let registration = Registration {
            connector,
            connection_config: config,
            token: "",
        };
        let server = &self.shared.ports.authorization_server;
        let discovered = server
            .discover(registration, &answer.access_token)
            .await
            .inspect_err(|failure| {
                if let DiscoveryFailure::Call(failure) = failure {
                    log_token_failure("discover", connector.id.as_str(), failure);
                }
            })?;
        config.extend(discovered);
        Ok(())
    }

    /// The values that the provider was to tell and has not, with what they are; of all, or of those that are needed.
    fn unlearned(
        &self,
        connector: &Connector,
        config: &ConnectionConfig,
        needed: bool,
    ) -> Option<Vec<(String, String)>> {
        let integration_type = self
            .integration_type(&connector.workspace, &connector.integration_type)
            .ok()?;
        let unlearned: Vec<_> = integration_type
            .connection_config_fields
            .iter()
            .filter(|field| field.learned && (field.required || !needed))
            .filter(|field| !config.contains_key(&field.name))
            .map(|field| (field.name.clone(), field.description.clone()))
            .collect();
        (!unlearned.is_empty()).then_some(unlearned)
    }

    /// A call that had to tell something brought nothing.
    fn not_told(
        &self,
        connector: &Connector,
        failure: &TokenFailure,
        present: Option<&Connection>,
    ) -> Unsettled {
        match failure.kind {
            TokenFailureKind::NotSent
            | TokenFailureKind::RateLimited
            | TokenFailureKind::Ambiguous
            | TokenFailureKind::Garbage => Unsettled::NotYet(self.call_failed(connector, failure)),
            TokenFailureKind::GrantRejected
            | TokenFailureKind::ClientRejected
            | TokenFailureKind::RequestRejected => Unsettled::Refused {
                error: Error::AuthorizationFailed {
                    why: "the provider's API refused the token that it had just given".to_owned(),
                },
                revocable: !may_share_grant(present),
            },
        }
    }

    /// When a connection that is only now made is to be renewed although nobody asks. Where the answer has no refresh
    /// token an old one may stay, and trying finds out.
    pub(crate) fn first_renewal_time(
        &self,
        new: &NewConnection,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let catalogue = &self.shared.ports.catalogue;
        let facts = catalogue.refresh_facts(&new.workspace, &new.integration_type);
        (new.answer.refresh_token.is_some() || new.keep_refresh_token)
            .then(|| self.renewal_time_after(&new.answer, &facts, now))
    }

    /// When a token is to be renewed that came just now and is renewable.
    pub(crate) fn renewal_time_after(
        &self,
        answer: &TokenAnswer,
        facts: &RefreshFacts,
        now: Timestamp,
    ) -> Timestamp {
        let renewable = Renewable {
            received: answer.receive_time,
            expires: answer.expiry.time(),
            refresh_expires: answer.refresh_expire_time,
            used: now,
        };
        let roll = self.shared.ports.chance.roll();
        let policy = &self.shared.options.refresh_policy;
        policy.renewal_time(facts, renewable, now, roll)
    }

    /// Whose account it is, as far as the provider tells. `id` is what the log calls it by.
    pub(crate) async fn identify(
        &self,
        registration: Registration<'_>,
        access_token: &Secret,
        id: &str,
    ) -> Result<Identified, TokenFailure> {
        let server = &self.shared.ports.authorization_server;
        server
            .identify(registration, access_token)
            .await
            .inspect_err(|failure| log_token_failure("identify", id, failure))
    }

    /// Asks whose account a stored connection is and notes it. Not knowing is no failure: the token works without.
    pub(crate) async fn learn_account(
        &self,
        connection: &mut Connection,
        connector: &Connector,
        access_token: &Secret,
    ) {
        let registration = Registration {
            connector,
            connection_config: &connection.connection_config,
            token: connection.token_kind(),
        };
        let identified = self
            .identify(registration, access_token, connection.id.as_str())
            .await;
        let Some(account) = identified
            .ok()
            .map(|identified| identified.account)
            .filter(|account| *account != Account::default())
        else {
            return;
        };
        let connections = &self.shared.ports.connections;
        match connections
            .set_account(&connection.workspace, &connection.id, &account)
            .await
        {
            Ok(()) => connection.account = account,
            Err(error) => {
                tracing::warn!(id = %connection.id, %error, "whose account it is was not stored")
            }
        }
        self.shared.cache.remove(&self.cache_key_of(connection));
    }

    /// What it means to the caller that a request to the provider cannot be made.
    pub(crate) fn unusable(&self, connector: &Connector, unusable: UnusableRegistration) -> Error {
        match unusable {
            UnusableRegistration::Invalid(invalid) => {
                Error::invalid("connection_config", invalid.0)
            }
            UnusableRegistration::Metadata(failure) => {
                log_token_failure("metadata", connector.id.as_str(), &failure);
                self.call_failed(connector, &failure)
            }
        }
    }

    /// What it means to the caller that a call to the provider, not for a renewal, brought nothing.
    pub(crate) fn call_failed(&self, connector: &Connector, failure: &TokenFailure) -> Error {
        let policy = &self.shared.options.refresh_policy;
        let pause = policy.pause(1, failure.retry_after, 1.0);
        Error::from_token_failure(failure.kind, connector.id.as_str(), pause)
    }
}

fn check_account(
    rule: AccountRule,
    present: &Connection,
    account: &Account,
) -> Result<(), Unsettled> {
    if rule == AccountRule::Any || !is_other_account(present, account) {
        return Ok(());
    }
    Err(match rule {
        AccountRule::SameOnly => Unsettled::Refused {
            error: Error::AuthorizationFailed {
                why: "the account is another than the one connected, and its connector takes no other"
                    .to_owned(),
            },
            revocable: true,
        },
        _ => Unsettled::NotYet(Error::AccountChanged {
            connection_id: present.id.to_string(),
        }),
    })
}

/// The provider answered, and did not tell what connecting needs.
fn missing(unlearned: Vec<(String, String)>, present: Option<&Connection>) -> Unsettled {
    let violations = unlearned
        .into_iter()
        .map(|(name, description)| {
            let what = format!("is not told by the provider for this account: {description}");
            (name, what)
        })
        .collect();
    Unsettled::Refused {
        error: InvalidConnectionConfig { violations }.into(),
        revocable: !may_share_grant(present),
    }
}
