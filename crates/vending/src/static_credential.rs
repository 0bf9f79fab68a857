//! Static credentials: what a person made at the provider and entered here. Nothing renews them.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use regex::Regex;
use tokend_model::{
    Account, AppUserId, Connection, ConnectionConfig, Connector, ConnectorId, CredentialSource,
    Expiry, Generation, GrantType, IntegrationType, InvalidConnectionConfig, Label, Secret,
    StaticCredentialField, Timestamp, TokenAnswer, TokenFailure, TokenFailureKind, WorkspaceName,
    ports::{DiscoveryFailure, Registration},
};

use crate::{
    Error, Vended, Vending,
    account_change::AccountRule,
    connectors::enabled,
    import::{is_token, owner_under},
    new_connection::{FreshGrant, Unsettled},
    plan::is_scope_token,
    tags::check_tags,
};

/// A credential to be set.
#[derive(Debug, Clone)]
pub struct SetStaticCredential {
    /// The workspace it will live in.
    pub workspace: WorkspaceName,
    /// The connector.
    pub connector_id: ConnectorId,
    /// The app user who owns it; `None` under a shared connector.
    pub app_user: Option<AppUserId>,
    /// The label it will have.
    pub label: Label,
    /// The credential itself.
    pub secret: StaticSecret,
    /// How it is sent; `None` for `Bearer`, or `Basic` for a user name and password.
    pub token_type: Option<String>,
    /// When it stops working; `None` for never.
    pub expire_time: Option<Timestamp>,
    /// The scopes it has, as far as they are known.
    pub scopes: Vec<String>,
    /// The values asked for before connecting.
    pub connection_config: BTreeMap<String, String>,
    /// The tags it will have; empty for those it has.
    pub tags: BTreeMap<String, String>,
    /// Whether it is stored without asking the provider whose it is.
    pub skip_check: bool,
}

/// What a person enters.
#[derive(Debug, Clone)]
pub enum StaticSecret {
    /// A token: a personal access token, an API key.
    Token(Secret),
    /// A user name and a password (RFC 7617).
    Basic {
        /// The user name.
        username: String,
        /// The password; may be empty.
        password: Secret,
    },
}

impl StaticSecret {
    fn field(&self) -> &'static str {
        match self {
            Self::Token(_) => "access_token",
            Self::Basic { .. } => "basic",
        }
    }

    fn scheme(&self) -> &'static str {
        match self {
            Self::Token(_) => "Bearer",
            Self::Basic { .. } => "Basic",
        }
    }

    /// The part that a pattern is about.
    fn pattern_subject(&self) -> &Secret {
        match self {
            Self::Token(token) => token,
            Self::Basic { password, .. } => password,
        }
    }

    /// What follows the scheme in the Authorization header.
    fn into_token(self) -> Secret {
        match self {
            Self::Token(token) => token,
            Self::Basic { username, password } => {
                let pair = Secret::new(format!("{username}:{}", password.expose()));
                Secret::new(STANDARD.encode(pair.expose()))
            }
        }
    }
}

impl Vending {
    /// Checks the credential and stores it, in a task that outlives the caller; a connection that is there gets its
    /// next generation. Unless that is not wanted, the provider is asked first whose it is: what it refuses is not stored.
    pub async fn set_static_credential(
        &self,
        set: SetStaticCredential,
    ) -> Result<Connection, Error> {
        let this = self.clone();
        let task = self.shared.tasks.spawn(async move { this.set(set).await });
        task.await.unwrap_or(Err(Error::Internal))
    }

    async fn set(&self, mut set: SetStaticCredential) -> Result<Connection, Error> {
        let connector = self
            .get_connector(&set.workspace, &set.connector_id)
            .await?;
        enabled(&connector)?;
        let integration_type =
            self.integration_type(&set.workspace, &connector.integration_type)?;
        check_form(&set, &integration_type)?;
        let owner = owner_under(&connector, set.app_user.take())?;
        let ports = &self.shared.ports;
        let mut connection_config = ports
            .catalogue
            .check_connection_config(&connector, &set.connection_config)?;
        let now = ports.clock.now();
        let (field, scheme) = (set.secret.field(), set.secret.scheme());
        let answer = TokenAnswer {
            access_token: set.secret.into_token(),
            token_type: set.token_type.unwrap_or_else(|| scheme.to_owned()),
            refresh_token: None,
            expiry: set.expire_time.map_or(Expiry::Never, Expiry::At),
            refresh_expire_time: None,
            scopes: None,
            captured: ConnectionConfig::new(),
            receive_time: now,
            others: BTreeMap::new(),
        };
        let account = match set.skip_check {
            true => Account::default(),
            false => {
                self.check_at_provider(&connector, &mut connection_config, &answer, field)
                    .await?
            }
        };
        let fresh = FreshGrant {
            connector: &connector,
            owner: &owner,
            label: &set.label,
            scopes: &set.scopes,
            connection_config: &connection_config,
            tags: (!set.tags.is_empty()).then_some(&set.tags),
            answer: &answer,
            source: CredentialSource::Static,
            present: None,
            accounts: AccountRule::Any,
            authorization: None,
        };
        let stored = self
            .store_fresh(fresh, connection_config.clone(), Some(account))
            .await;
        stored.map_err(|unsettled| match unsettled {
            Unsettled::Refused { error, .. }
            | Unsettled::NotYet(error)
            | Unsettled::Failed(error) => error,
        })
    }

    /// Asks the provider what the connection config lacks and whose credential it is.
    async fn check_at_provider(
        &self,
        connector: &Connector,
        connection_config: &mut ConnectionConfig,
        answer: &TokenAnswer,
        field: &'static str,
    ) -> Result<Account, Error> {
        self.may_call_providers()?;
        let discovered = self.discover(connector, connection_config, answer).await;
        match discovered {
            Ok(()) => {}
            Err(DiscoveryFailure::Missing { name, description }) => {
                let what = format!("is not told by the provider: {description}");
                let violations = vec![(name, what)];
                return Err(InvalidConnectionConfig { violations }.into());
            }
            Err(DiscoveryFailure::Call(failure)) => return Err(self.unchecked(field, &failure)),
        }
        let registration = Registration {
            connector,
            connection_config,
            token: "",
        };
        let identified = self
            .identify(registration, &answer.access_token, connector.id.as_str())
            .await
            .map_err(|failure| self.unchecked(field, &failure))?;
        connection_config.extend(identified.learned);
        Ok(identified.account)
    }

    fn unchecked(&self, field: &'static str, failure: &TokenFailure) -> Error {
        match failure.kind {
            TokenFailureKind::GrantRejected | TokenFailureKind::ClientRejected => {
                Error::invalid(field, "is refused by the provider")
            }
            TokenFailureKind::RequestRejected => Error::invalid(
                field,
                "cannot be checked: the provider does not say whose it is, perhaps for want of a scope; skip_check \
                 stores it all the same",
            ),
            TokenFailureKind::NotSent
            | TokenFailureKind::RateLimited
            | TokenFailureKind::Ambiguous
            | TokenFailureKind::Garbage => {
                let policy = &self.shared.options.refresh_policy;
                let retry_after = policy.pause(1, failure.retry_after, 1.0);
                Error::CredentialUnchecked { retry_after }
            }
        }
    }

    /// The error for a connection that only a person can mend: what has to be done depends on where its credential came
    /// from. Reads one row, and only when there is nothing to vend.
    pub(crate) async fn who_mends(&self, present: &Vended, error: Error) -> Error {
        if !matches!(error, Error::ReauthorizationRequired { .. }) {
            return error;
        }
        let connections = &self.shared.ports.connections;
        let generations = connections
            .generations(&present.workspace, &present.connection_id)
            .await
            .unwrap_or_default();
        let is_present = |generation: Generation| generation == present.generation;
        let source = generations
            .iter()
            .find(|kept| is_present(kept.generation))
            .and_then(|kept| kept.source);
        match source {
            Some(CredentialSource::Static) => Error::CredentialRejected,
            _ => error,
        }
    }
}

/// No text here repeats a value.
fn check_form(set: &SetStaticCredential, integration_type: &IntegrationType) -> Result<(), Error> {
    let field = set.secret.field();
    let wrong = |why: &str| Err(Error::invalid(field, why));
    let entered = integration_type.static_credential.as_ref();
    match &set.secret {
        StaticSecret::Token(token) if token.is_empty() => return wrong("is missing"),
        StaticSecret::Token(token) if !is_token(token.expose()) => {
            return wrong("has characters that no token has (RFC 6749 appendix A)");
        }
        StaticSecret::Basic { username, password } => {
            if username.is_empty() && password.is_empty() {
                return wrong("is missing");
            }
            let controls = |text: &str| text.chars().any(char::is_control);
            if username.contains(':') || controls(username) || controls(password.expose()) {
                return wrong("has a colon in the user name, or control characters (RFC 7617)");
            }
        }
        StaticSecret::Token(_) => {}
    }
    if integration_type.grant_type == GrantType::Static
        && let Some(entered) = entered
    {
        match (entered.basic, &set.secret) {
            (true, StaticSecret::Token(_)) => {
                return wrong(
                    "is not what this type takes: it takes a user name and a password, in basic",
                );
            }
            (false, StaticSecret::Basic { .. }) => {
                return wrong("is not what this type takes: it takes one value, in access_token");
            }
            _ => check_pattern(entered, &set.secret)?,
        }
    }
    if set.token_type.as_deref().is_some_and(|it| !is_token(it)) {
        let why = "has characters that none has (RFC 6749 appendix A)";
        return Err(Error::invalid("token_type", why));
    }
    if !set.scopes.iter().all(|scope| is_scope_token(scope)) {
        let why = "has one that is no scope (RFC 6749 section 3.3)";
        return Err(Error::invalid("scopes", why));
    }
    check_tags(&set.tags)
}

/// The whole value has to match, as with values of the connection config.
fn check_pattern(entered: &StaticCredentialField, secret: &StaticSecret) -> Result<(), Error> {
    let pattern = &entered.validation_pattern;
    if pattern.is_empty() {
        return Ok(());
    }
    let whole = Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(|error| {
        tracing::error!(%error, "the pattern of a static credential does not read");
        Error::Internal
    })?;
    if whole.is_match(secret.pattern_subject().expose()) {
        return Ok(());
    }
    let told = entered.validation_error.trim();
    let why = match told.is_empty() {
        true => "does not have the form that this type's credentials have",
        false => told,
    };
    Err(Error::invalid(secret.field(), why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(pattern: &str, told: &str) -> StaticCredentialField {
        StaticCredentialField {
            validation_pattern: pattern.to_owned(),
            validation_error: told.to_owned(),
            ..StaticCredentialField::default()
        }
    }

    #[test]
    fn the_whole_value_has_to_match() {
        let entered = field("pk_[a-z]+|x", "An API key begins with pk_.");
        let check = |text: &str| {
            let secret = StaticSecret::Token(Secret::new(text));
            check_pattern(&entered, &secret).map_err(|error| error.to_string())
        };
        assert_eq!(check("pk_abc"), Ok(()));
        for wrong in ["pk_", "apk_abc", "pk_abc\n", "xx"] {
            let told = "access_token: An API key begins with pk_.".to_owned();
            assert_eq!(check(wrong), Err(told), "{wrong:?}");
        }
    }

    #[test]
    fn basic_credentials_are_joined_as_rfc_7617_has_it() {
        let secret = StaticSecret::Basic {
            username: "Aladdin".to_owned(),
            password: Secret::new("open sesame"),
        };
        assert_eq!(secret.scheme(), "Basic");
        let expected = "QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
        assert_eq!(secret.into_token().expose(), expected);
    }
}
