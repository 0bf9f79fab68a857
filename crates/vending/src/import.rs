//! Importing: a grant that another system obtained with the same OAuth client becomes a connection.

use std::collections::BTreeMap;

use tokend_model::{
    Account, AppUserId, Connection, ConnectionConfig, ConnectionId, ConnectionStatus, Connector,
    ConnectorId, ConnectorKind, CredentialSource, Expiry, Freshness, GrantType, Label, Owner,
    Secret, Timestamp, TokenAnswer, WorkspaceName,
    ports::{Imported, NewConnection},
};
use uuid::Uuid;

use crate::{
    Error, Vending,
    connectors::enabled,
    plan::is_scope_token,
    refresh::{Past, RenewalCause, Wish},
    tags::check_tags,
};

/// A grant from elsewhere.
#[derive(Debug, Clone)]
pub struct ImportConnection {
    /// The workspace it will live in.
    pub workspace: WorkspaceName,
    /// The connector; its client is the one the grant was issued to.
    pub connector_id: ConnectorId,
    /// The app user who owns it; `None` under a shared connector.
    pub app_user: Option<AppUserId>,
    /// The label it will have.
    pub label: Label,
    /// The access token. Without one, the refresh token is redeemed at once.
    pub access_token: Option<Secret>,
    /// The refresh token, where there is one.
    pub refresh_token: Option<Secret>,
    /// How the access token is sent; `Bearer` where it is not said.
    pub token_type: Option<String>,
    /// When the access token runs out, where that is known.
    pub expire_time: Option<Timestamp>,
    /// The scopes granted; empty for those that the connector asks for.
    pub scopes: Vec<String>,
    /// The values asked for before connecting.
    pub connection_config: BTreeMap<String, String>,
    /// Whose account it is; `None` to ask the provider.
    pub account: Option<Account>,
    /// Whether it has to be renewed before it takes the place of what is there.
    pub verify: bool,
    /// The connection's tags; `None` leaves those that are there.
    pub tags: Option<BTreeMap<String, String>>,
    /// Values that the other system has learnt from the provider.
    pub learned_config: BTreeMap<String, String>,
}

/// Why importing failed, and what is there all the same.
#[derive(Debug, Clone)]
pub struct ImportFailure {
    /// Why.
    pub error: Error,
    /// The connection that was stored, though it could not be renewed: it is tried again as any other.
    pub stored: Option<ConnectionId>,
}

impl<E: Into<Error>> From<E> for ImportFailure {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            stored: None,
        }
    }
}

impl Vending {
    /// Stores the grant, in a task that outlives the caller; an owner's connection that is there gets its next
    /// generation, unless it has this grant already: who imports twice, not having heard the first answer, leaves it as
    /// it is. Where there is no access token that works the refresh token is redeemed before this answers, or what is
    /// under way awaited: if that fails the error is answered, and the connection stays and is tried again as any other.
    /// One that is to be verified is renewed before anything is replaced.
    pub async fn import_connection(
        &self,
        import: ImportConnection,
    ) -> Result<Connection, ImportFailure> {
        let this = self.clone();
        let task = self
            .shared
            .tasks
            .spawn(async move { this.import(import).await });
        task.await.unwrap_or(Err(Error::Internal.into()))
    }

    async fn import(&self, mut import: ImportConnection) -> Result<Connection, ImportFailure> {
        check_tokens(&import)?;
        import.tags.as_ref().map_or(Ok(()), check_tags)?;
        let connector = self
            .get_connector(&import.workspace, &import.connector_id)
            .await?;
        enabled(&connector)?;
        self.check_grant(&import, &connector)?;
        let owner = owner_under(&connector, import.app_user.take())?;
        let catalogue = &self.shared.ports.catalogue;
        let mut connection_config =
            catalogue.check_connection_config(&connector, &import.connection_config)?;
        connection_config.extend(catalogue.check_learned_config(
            &import.workspace,
            &connector.integration_type,
            &import.learned_config,
        )?);
        let access_token = import.access_token.clone();
        let verify = import.verify;
        if access_token.is_none() || verify {
            self.may_call_providers()?;
        }
        let account_told = import.account.is_some();
        let new = self.imported(import, &connector, owner, connection_config)?;
        if verify {
            let mut connection = self.verified(&new).await?;
            if !account_told && connection.account == Account::default() {
                self.learn_account_of(&mut connection, &connector).await?;
            }
            return Ok(connection);
        }
        let ports = &self.shared.ports;
        let (mut connection, access_token) =
            match ports.connections.import(&new, ports.clock.now()).await? {
                Imported::Stored(connection) => (connection, access_token),
                Imported::Held(connection) if self.works(&connection) => return Ok(connection),
                Imported::Held(connection) => (connection, None),
            };
        self.shared.cache.remove(&self.cache_key_of(&connection));
        let access_token = match access_token {
            Some(access_token) => access_token,
            None => {
                let vended = self.renew(first_renewal(&connection)).await;
                let vended = vended.map_err(|error| ImportFailure {
                    error: refused(error),
                    stored: Some(connection.id.clone()),
                })?;
                connection = self
                    .connection(&connection.workspace, &connection.id)
                    .await?;
                vended.access_token.clone()
            }
        };
        let unknown = !account_told && connection.account == Account::default();
        if unknown && self.may_call_providers().is_ok() && self.works(&connection) {
            self.learn_account(&mut connection, &connector, &access_token)
                .await;
        }
        Ok(connection)
    }

    /// What is imported has to be what the integration type's connections are renewed with.
    fn check_grant(&self, import: &ImportConnection, connector: &Connector) -> Result<(), Error> {
        let known = self.integration_type(&connector.workspace, &connector.integration_type)?;
        match known.grant_type {
            GrantType::ClientCredentials | GrantType::JwtBearer => Err(Error::invalid(
                "connector_id",
                "has no grants to import: it gets tokens by itself, with `tokend connect`",
            )),
            GrantType::Static if import.refresh_token.is_some() => Err(Error::invalid(
                "refresh_token",
                "is of no use: static credentials are not renewed",
            )),
            _ => Ok(()),
        }
    }

    fn imported(
        &self,
        import: ImportConnection,
        connector: &Connector,
        owner: Owner,
        connection_config: ConnectionConfig,
    ) -> Result<NewConnection, Error> {
        let scopes = match import.scopes.is_empty() {
            false => import.scopes,
            true => {
                let known =
                    self.integration_type(&connector.workspace, &connector.integration_type)?;
                match connector.scopes.is_empty() {
                    true => known.scopes.read.clone(),
                    false => known.scopes_of("", &connector.scopes),
                }
            }
        };
        let now = self.shared.ports.clock.now();
        let expiry = match (&import.access_token, import.expire_time) {
            // No token at all: like one that had run out before it came, it is never handed out, only renewed.
            (None, _) => Expiry::At(now),
            (Some(_), Some(expires)) => Expiry::At(expires),
            (Some(_), None) => Expiry::Unknown,
        };
        let new = NewConnection {
            id: ConnectionId::from_uuid(Uuid::now_v7()),
            workspace: import.workspace,
            connector_id: connector.id.clone(),
            integration_type: connector.integration_type.clone(),
            owner,
            label: import.label,
            account: import.account.unwrap_or_default(),
            connection_config,
            scopes,
            answer: TokenAnswer {
                access_token: import.access_token.unwrap_or_else(|| Secret::new("")),
                token_type: import.token_type.unwrap_or_else(|| "Bearer".to_owned()),
                refresh_token: import.refresh_token,
                expiry,
                refresh_expire_time: None,
                scopes: None,
                captured: ConnectionConfig::default(),
                others: BTreeMap::new(),
                receive_time: now,
            },
            source: CredentialSource::Import,
            tags: import.tags,
            keep_refresh_token: false,
            renewal_time: None,
            authorization: None,
            siblings: None,
        };
        Ok(NewConnection {
            renewal_time: self.first_renewal_time(&new, now),
            ..new
        })
    }

    /// Whether the connection has an access token that still works, as far as is known.
    pub(crate) fn works(&self, connection: &Connection) -> bool {
        let policy = &self.shared.options.refresh_policy;
        let now = self.shared.ports.clock.now();
        let freshness = policy.freshness(connection.refresh_time, connection.expiry, now, None);
        connection.status == ConnectionStatus::Authorized && freshness != Freshness::RunOut
    }
}

pub(crate) fn first_renewal(connection: &Connection) -> Wish {
    Wish {
        workspace: connection.workspace.clone(),
        connection_id: connection.id.clone(),
        past: Past::Generation(connection.generation),
        cause: RenewalCause::Operator,
    }
}

/// Only the import is refused here: a provider that says no to its grant is believed, though it is asked once more.
pub(crate) fn refused(error: Error) -> Error {
    match error {
        Error::GrantInDoubt { .. } => Error::ReauthorizationRequired { connect: None },
        other => other,
    }
}

pub(crate) fn owner_under(
    connector: &Connector,
    app_user: Option<AppUserId>,
) -> Result<Owner, Error> {
    let wrong = |why| Err(Error::invalid("app_user_id", why));
    match (connector.kind, app_user) {
        (ConnectorKind::Shared, None) => Ok(Owner::Shared),
        (ConnectorKind::AppUser, Some(app_user)) => Ok(Owner::AppUser(app_user)),
        (ConnectorKind::Shared, Some(_)) => wrong("goes with an app user connector only"),
        (ConnectorKind::AppUser, None) => wrong("is missing; the connector is for app users"),
    }
}

/// No text here repeats a value: what was meant for one field may be in another.
fn check_tokens(import: &ImportConnection) -> Result<(), Error> {
    if import.verify && import.refresh_token.is_none() {
        let why = "is missing; without one a grant cannot be verified";
        return Err(Error::invalid("refresh_token", why));
    }
    if import.access_token.is_none() && import.refresh_token.is_none() {
        return Err(Error::invalid("access_token", "or refresh_token is needed"));
    }
    let token = |secret: &Option<Secret>| secret.as_ref().is_none_or(|it| is_token(it.expose()));
    let checks = [
        ("access_token", token(&import.access_token)),
        ("refresh_token", token(&import.refresh_token)),
        (
            "token_type",
            import.token_type.as_deref().is_none_or(is_token),
        ),
        (
            "scopes",
            import.scopes.iter().all(|scope| is_scope_token(scope)),
        ),
    ];
    match checks.iter().find(|(_, fits)| !fits) {
        None => Ok(()),
        Some(("scopes", _)) => Err(Error::invalid(
            "scopes",
            "has one that is no scope (RFC 6749 section 3.3)",
        )),
        Some((field, _)) => Err(Error::invalid(
            field,
            "has characters that none has (RFC 6749 appendix A)",
        )),
    }
}

/// RFC 6749 appendix A.12, A.13 and A.17: printable ASCII.
pub(crate) fn is_token(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
}
