//! Vending: a token that works now, from memory where one is there, renewed first where it must be.

use std::{sync::Arc, time::Duration};

use tokend_model::{
    Connection, ConnectionId, ConnectionStatus, Connector, ConnectorId, ConnectorKind, Freshness,
    Generation, IntegrationTypeName, Label, Owner, Timestamp, WorkspaceName,
};

use crate::{
    Error, Vended, Vending, Warning,
    cache::CacheKey,
    connectors::enabled,
    refresh::{RenewalCause, Wish},
    single_flight::Aborted,
    vended::{vended, warned},
};

/// How long a caller whose token still works waits for a better one.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long before its end callers are told that a consent ends.
const NOTICE: chrono::TimeDelta = chrono::TimeDelta::days(14);

/// Which connection a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The workspace it lives in.
    pub workspace: WorkspaceName,
    /// The connector it is under.
    pub connector: ConnectorRef,
    /// Whose it is.
    pub owner: Owner,
    /// Which of the owner's.
    pub label: Label,
    /// Which of its tokens; empty for the main one.
    pub token: String,
}

/// How a connector is named: the shared one by its integration type, the others by id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ConnectorRef {
    /// The workspace's shared connector of this type.
    Shared(IntegrationTypeName),
    /// An app-user connector.
    AppUser(ConnectorId),
}

/// What the caller asks of the token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VendOptions {
    /// Good for at least this long.
    pub min_ttl: Option<Duration>,
    /// Good for these scopes.
    pub scopes: Vec<String>,
    /// The provider refused the token of this generation.
    pub rejected_generation: Option<Generation>,
}

impl Vending {
    /// Hands out a token that is good for what is asked.
    ///
    /// A good one in memory costs no statement and no lock held across a wait. Otherwise the row is read, and if its
    /// token is not good enough either, it is renewed by a task that outlives the caller. A token that is still valid
    /// is handed out with [`Warning::RenewalFailing`] where renewing fails.
    pub async fn vend(&self, target: &Target, options: &VendOptions) -> Result<Arc<Vended>, Error> {
        self.is_askable(target).await?;
        let key = CacheKey::of(target);
        if let Some(present) = self.shared.cache.get(&key)
            && self.trusts_memory()
            && let Some(good) = self.good_for(&present, options)
        {
            return self.hand_out(good, options);
        }

        // Only canonical names are in memory: whoever asks by an alias pays with one more look.
        if let Some(canonical) = self.canonical(target) {
            return Box::pin(self.vend(&canonical, options)).await;
        }
        let cached = self.shared.cache.get(&key);
        let mut present = match (self.load(target, key.clone()).await, cached) {
            // Without the database nothing better can be had.
            (Err(Error::StorageUnavailable), Some(cached)) if self.may_outlive_database() => {
                return self.make_do(&cached, options, Error::StorageUnavailable);
            }
            (loaded, _) => loaded?,
        };
        let complains_of_newer = |present: &Vended| {
            options
                .rejected_generation
                .is_some_and(|rejected| rejected > present.generation)
        };
        if complains_of_newer(&present) {
            // That reading may have begun before the reported generation was stored; one that begins now has not.
            present = self.load(target, key).await?;
        }
        let mut options = options.clone();
        if complains_of_newer(&present) {
            // Not a token of this connection as it is now: nobody has refused the present one.
            options.rejected_generation = None;
        }
        // A second renewal is needed only if somebody reported the first one's token before we saw it.
        for _ in 0..2 {
            if let Some(good) = self.good_for(&present, &options) {
                return self.hand_out(good, &options);
            }
            match self.renew_for(&present, &options).await {
                Ok(renewed) => present = renewed,
                Err(error) => {
                    let error = self.who_mends(&present, error).await;
                    return self.make_do(&present, &options, error);
                }
            }
        }
        self.make_do(
            &present,
            &options,
            Error::RefreshInProgress {
                retry_after: Duration::from_secs(1),
            },
        )
    }

    /// Renews a connection now, whatever life its token has left, and answers the new one.
    pub async fn refresh_connection(
        &self,
        workspace: &WorkspaceName,
        id: &ConnectionId,
    ) -> Result<Arc<Vended>, Error> {
        let (connection, credential) = self
            .shared
            .ports
            .connections
            .get(workspace, id)
            .await?
            .ok_or(Error::ConnectionNotFound)?;
        let connector = self.connector_of(&connection).await?;
        let credential = credential.ok_or(Error::NotConnected { connect: None })?;
        let renewable = credential.refresh_token.is_some();
        let present = vended(
            &connection,
            &connector,
            &self.wanted_scopes(&connection, &connector),
            credential,
            &self.facts(&connection),
        );
        match renewable {
            true => {
                self.renew(Wish::beyond(&present, RenewalCause::Operator))
                    .await
            }
            false => Ok(present),
        }
    }

    /// Renews for a caller. While the present token still works the wait is short: renewing goes on without them.
    async fn renew_for(
        &self,
        present: &Arc<Vended>,
        options: &VendOptions,
    ) -> Result<Arc<Vended>, Error> {
        if is_reported(present, options) {
            return self
                .renew(Wish::beyond(present, RenewalCause::Reported))
                .await;
        }
        let renewal = self.renew(Wish::beyond(present, RenewalCause::Aged));
        if self.freshness(present, options.min_ttl) == Freshness::RunOut {
            return renewal.await;
        }
        let retry_after = PATIENCE;
        let in_time = tokio::time::timeout(PATIENCE, renewal).await;
        in_time.unwrap_or(Err(Error::RefreshInProgress { retry_after }))
    }

    /// The entry itself, or with a warning, if it is good for what is asked.
    fn good_for(&self, present: &Arc<Vended>, options: &VendOptions) -> Option<Arc<Vended>> {
        if is_reported(present, options) {
            return None;
        }
        match self.freshness(present, options.min_ttl) {
            Freshness::Fresh => Some(present.clone()),
            Freshness::AsFreshAsItGets => Some(warned(present, Warning::MinTtlBeyondLifetime)),
            Freshness::Short | Freshness::RunOut => None,
        }
    }

    /// Renewing failed: a token that is still valid and was not reported is better than none.
    fn make_do(
        &self,
        present: &Arc<Vended>,
        options: &VendOptions,
        error: Error,
    ) -> Result<Arc<Vended>, Error> {
        let run_out = self.freshness(present, options.min_ttl) == Freshness::RunOut;
        if is_reported(present, options) || run_out {
            return Err(error);
        }
        self.hand_out(warned(present, Warning::RenewalFailing), options)
    }

    fn hand_out(&self, vended: Arc<Vended>, options: &VendOptions) -> Result<Arc<Vended>, Error> {
        let missing: Vec<_> = options
            .scopes
            .iter()
            .filter(|scope| !vended.scopes.contains(scope))
            .cloned()
            .collect();
        if !missing.is_empty() {
            return Err(Error::ScopeNotGranted { missing });
        }
        let asked = &options.scopes;
        let wider = vended.scopes.iter().any(|scope| !asked.contains(scope));
        let vended = match !asked.is_empty() && wider {
            true => warned(&vended, Warning::ScopesNotNarrowed),
            false => vended,
        };
        let now = self.shared.ports.clock.now();
        let soon = now.checked_add_signed(NOTICE).unwrap_or(Timestamp::MAX_UTC);
        let vended = match vended.needs_user_by {
            Some(by)
                if by <= soon && vended.warnings.iter().all(|warning| !warning.needs_user()) =>
            {
                warned(&vended, Warning::ConsentExpires)
            }
            _ => vended,
        };
        self.shared
            .uses
            .record(&vended.workspace, &vended.connection_id, now);
        Ok(vended)
    }

    pub(crate) fn freshness(&self, present: &Vended, min_ttl: Option<Duration>) -> Freshness {
        let now = self.shared.ports.clock.now();
        let policy = &self.shared.options.refresh_policy;
        policy.freshness(present.receive_time, present.expiry, now, min_ttl)
    }

    /// Reads the connection into memory, once for all who ask at the same time.
    async fn load(&self, target: &Target, key: CacheKey) -> Result<Arc<Vended>, Error> {
        let (this, target) = (self.clone(), target.clone());
        let flight = self.shared.loads.run(key.clone(), || async move {
            this.read_and_keep(&target, key).await
        });
        flight.await.unwrap_or_else(|Aborted| Err(Error::Internal))
    }

    async fn read_and_keep(&self, target: &Target, key: CacheKey) -> Result<Arc<Vended>, Error> {
        let before_read = self.shared.cache.before_read();
        let connector = self.connector(&target.workspace, &target.connector).await?;
        self.check_token(&connector, &target.token)?;
        let connections = &self.shared.ports.connections;
        let find = || {
            let Target {
                workspace,
                owner,
                label,
                token,
                ..
            } = target;
            connections.find(workspace, &connector.id, owner, label, token)
        };
        let mut found = find().await?;
        if found.is_none() && self.connect_itself(&connector, target).await? {
            found = find().await?;
        }
        let (connection, credential) = match found {
            Some((connection, Some(credential))) => (connection, credential),
            _ if self.lacks_token(&connector, target).await? => {
                let token = target.token.clone();
                return Err(Error::TokenNotGranted { token });
            }
            Some((connection, None)) if connection.status == ConnectionStatus::Revoked => {
                return Err(self.not_connected(&connector, target).await?);
            }
            Some((_, None)) => return Err(Error::ReauthorizationRequired { connect: None }),
            None if target.label != Label::default_label() => {
                return Err(match self.not_connected(&connector, target).await? {
                    Error::NotConnected { .. } => Error::ConnectionNotFound,
                    pending => pending,
                });
            }
            None => return Err(self.not_connected(&connector, target).await?),
        };
        let facts = self.facts(&connection);
        let wanted = self.wanted_scopes(&connection, &connector);
        let vended = vended(&connection, &connector, &wanted, credential, &facts);
        self.shared.cache.put(key, &vended, before_read);
        Ok(vended)
    }

    /// The same target by the connector's name, if it was asked for by an alias.
    fn canonical(&self, target: &Target) -> Option<Target> {
        let ConnectorRef::Shared(name) = &target.connector else {
            return None;
        };
        let known = self.shared.ports.catalogue.get(&target.workspace, name)?;
        (known.name != *name).then(|| Target {
            connector: ConnectorRef::Shared(known.name.clone()),
            ..target.clone()
        })
    }

    async fn not_connected(&self, connector: &Connector, target: &Target) -> Result<Error, Error> {
        let open = self
            .shared
            .ports
            .authorizations
            .find_open(
                &target.workspace,
                &connector.id,
                &target.owner,
                &target.label,
                self.shared.ports.clock.now(),
            )
            .await?;
        Ok(match open {
            Some(_) => Error::AuthorizationPending,
            None => Error::NotConnected { connect: None },
        })
    }

    /// The connector a caller named, if it is there, of that kind, and switched on.
    pub(crate) async fn connector(
        &self,
        workspace: &WorkspaceName,
        named: &ConnectorRef,
    ) -> Result<Connector, Error> {
        let connector = self.named_connector(workspace, named).await?;
        enabled(&connector)?;
        Ok(connector)
    }

    /// The connector a caller named, if it is there and of that kind.
    pub(crate) async fn named_connector(
        &self,
        workspace: &WorkspaceName,
        named: &ConnectorRef,
    ) -> Result<Connector, Error> {
        let connectors = &self.shared.ports.connectors;
        match named {
            ConnectorRef::Shared(name) => {
                let name = &self.canonical_name(workspace, name);
                match connectors.get_shared(workspace, name).await? {
                    Some(connector) => Ok(connector),
                    None => Err(self.no_shared_connector(workspace, name).await?),
                }
            }
            ConnectorRef::AppUser(id) => match connectors.get(workspace, id).await? {
                Some(connector) if connector.kind == ConnectorKind::AppUser => Ok(connector),
                Some(_) => Err(Error::ConnectorNotFound {
                    what: format!(
                        "connector '{id}' is the organisation's own; GetConnection answers it"
                    ),
                }),
                None => Err(no_connector(id)),
            },
        }
    }

    /// Why there is no shared connector of that integration type, in words that lead on.
    async fn no_shared_connector(
        &self,
        workspace: &WorkspaceName,
        name: &IntegrationTypeName,
    ) -> Result<Error, Error> {
        if let Err(unknown) = self.integration_type(workspace, name) {
            let same_name = ConnectorId::new(name.as_str()).ok();
            let connector = match &same_name {
                Some(id) => self.shared.ports.connectors.get(workspace, id).await?,
                None => None,
            };
            return Ok(match connector {
                Some(_) => Error::ConnectorNotFound {
                    what: format!(
                        "'{name}' is a connector of app users, not an integration type; \
                         GetCurrentAppUserConnection answers it"
                    ),
                },
                None => unknown,
            });
        }
        Ok(Error::ConnectorNotFound {
            what: format!(
                "integration type '{name}' has no connector here; an operator adds one with 'tokend connectors push'"
            ),
        })
    }

    /// The connector a connection is under.
    pub(crate) async fn connector_of(&self, connection: &Connection) -> Result<Connector, Error> {
        self.shared
            .ports
            .connectors
            .get(&connection.workspace, &connection.connector_id)
            .await?
            .ok_or_else(|| no_connector(&connection.connector_id))
    }

    /// Puts a connection's new credential into memory, for all who ask from now on.
    pub(crate) fn cache_key_of(&self, connection: &Connection) -> CacheKey {
        CacheKey::of(&Target {
            workspace: connection.workspace.clone(),
            connector: match connection.owner {
                Owner::Shared => ConnectorRef::Shared(connection.integration_type.clone()),
                Owner::AppUser(_) => ConnectorRef::AppUser(connection.connector_id.clone()),
            },
            owner: connection.owner.clone(),
            label: connection.label.clone(),
            token: connection.token.clone(),
        })
    }
}

/// There is no connector with that id.
pub(crate) fn no_connector(id: &ConnectorId) -> Error {
    Error::ConnectorNotFound {
        what: format!(
            "there is no connector '{id}'; an operator adds one with 'tokend connectors push'"
        ),
    }
}

/// Whether the caller says that this very token was refused, or one after it.
fn is_reported(present: &Vended, options: &VendOptions) -> bool {
    options
        .rejected_generation
        .is_some_and(|rejected| rejected >= present.generation)
}
