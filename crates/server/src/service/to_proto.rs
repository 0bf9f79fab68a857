//! From our words to the contract's. Free functions: both sides are foreign to this crate.

use std::{
    collections::{BTreeMap, HashMap},
    time::SystemTime,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;
use ring::digest;
use tokend_api::v1;
use tokend_model::{
    Account, AccountChange, Authorization, AuthorizationState, Connection, ConnectionStatus,
    Connector, ConnectorKind, CredentialSource, GrantType, IntegrationType, Owner,
    StaticCredentialField, Timestamp, ports::KeptGeneration,
};
use tokend_vending::{Error, PlannedAction, PlannedChange, ProviderRevocation, Vended, Warning};

pub(crate) fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp::from(SystemTime::from(time))
}

pub(crate) fn vended(vended: &Vended) -> v1::VendedConnection {
    v1::VendedConnection {
        access_token: vended.access_token.expose().to_owned(),
        connection_config: vended.connection_config.clone().into_iter().collect(),
        token_type: vended.token_type.clone(),
        expire_time: vended.expiry.time().map(timestamp),
        scopes: vended.scopes.clone(),
        missing_scopes: vended.missing_scopes.clone(),
        connection_id: vended.connection_id.to_string(),
        generation: vended.generation.0,
        account: account(&vended.account),
        warnings: vended
            .warnings
            .iter()
            .map(|&kind| warning(kind, vended.needs_user_by))
            .collect(),
    }
}

fn warning(warning: Warning, needs_user_by: Option<Timestamp>) -> v1::Warning {
    let (code, message) = match warning {
        Warning::RenewalFailing => (
            v1::WarningCode::RenewalFailing,
            "the token is valid, but renewing it fails for now",
        ),
        Warning::MinTtlBeyondLifetime => (
            v1::WarningCode::ShortLived,
            "the provider's tokens live shorter than min_ttl asks for",
        ),
        Warning::NotRenewable => (
            v1::WarningCode::NotRenewable,
            "the token cannot be renewed; the user has to connect again when it runs out",
        ),
        Warning::ConsentExpires => (
            v1::WarningCode::ConsentExpires,
            "the grant is over or ends soon; the user has to connect again",
        ),
        Warning::ScopesMissing => (
            v1::WarningCode::ScopesMissing,
            "the user did not grant all scopes; see missing_scopes",
        ),
        Warning::ScopesNotNarrowed => (
            v1::WarningCode::ScopesNotNarrowed,
            "the token has more scopes than were asked for",
        ),
    };
    v1::Warning {
        code: code.into(),
        message: message.to_owned(),
        needs_user_by_time: needs_user_by
            .filter(|_| warning.needs_user())
            .map(timestamp),
    }
}

pub(crate) fn account(account: &Account) -> Option<v1::Account> {
    (*account != Account::default()).then(|| v1::Account {
        id: account.id.clone().unwrap_or_default(),
        email: account.email.clone().unwrap_or_default(),
        name: account.name.clone().unwrap_or_default(),
    })
}

pub(crate) fn status(status: ConnectionStatus) -> v1::ConnectionStatus {
    match status {
        ConnectionStatus::Authorized => v1::ConnectionStatus::Authorized,
        ConnectionStatus::Expired => v1::ConnectionStatus::Expired,
        ConnectionStatus::Revoked => v1::ConnectionStatus::Revoked,
        ConnectionStatus::Error => v1::ConnectionStatus::Error,
    }
}

/// A connection, and which of the scopes that its connector wants for it are missing.
pub(crate) fn connection(connection: &Connection, wanted: &[String]) -> v1::Connection {
    let missing = |scope: &&String| !connection.scopes.contains(scope);
    let (kind, app_user_id) = match &connection.owner {
        Owner::Shared => (v1::ConnectorKind::Shared, String::new()),
        Owner::AppUser(id) => (v1::ConnectorKind::AppUser, id.to_string()),
    };
    let shown = v1::Connection {
        connection_id: connection.id.to_string(),
        connector_id: connection.connector_id.to_string(),
        integration_type: connection.integration_type.to_string(),
        kind: kind.into(),
        app_user_id,
        label: connection.label.to_string(),
        status: status(connection.status).into(),
        status_reason: connection.status_reason.clone(),
        account: account(&connection.account),
        connection_config: connection.connection_config.clone().into_iter().collect(),
        scopes: connection.scopes.clone(),
        missing_scopes: wanted.iter().filter(missing).cloned().collect(),
        generation: connection.generation.0,
        create_time: Some(timestamp(connection.create_time)),
        authorize_time: Some(timestamp(connection.authorize_time)),
        refresh_time: Some(timestamp(connection.refresh_time)),
        expire_time: connection.expiry.time().map(timestamp),
        last_use_time: connection.last_use_time.map(timestamp),
        use_count: connection.use_count,
        etag: String::new(),
        tags: connection.tags.clone().into_iter().collect(),
        token: connection.token.clone(),
    };
    v1::Connection {
        etag: etag(&shown),
        ..shown
    }
}

/// A kept generation of a credential, never the credential itself.
pub(crate) fn credential_generation(kept: &KeptGeneration) -> v1::CredentialGeneration {
    let source = match kept.source {
        None => v1::CredentialSource::Unspecified,
        Some(CredentialSource::Authorization) => v1::CredentialSource::Authorization,
        Some(CredentialSource::Refresh) => v1::CredentialSource::Refresh,
        Some(CredentialSource::Import) => v1::CredentialSource::Import,
        Some(CredentialSource::Static) => v1::CredentialSource::Static,
    };
    v1::CredentialGeneration {
        generation: kept.generation.0,
        source: source.into(),
        create_time: Some(timestamp(kept.receive_time)),
        expire_time: kept.expiry.time().map(timestamp),
        renewable: kept.renewable,
        key_id: kept.key_id.clone(),
    }
}

/// Half a digest of all that is shown except the use figures.
fn etag(connection: &v1::Connection) -> String {
    // A map has no order of its own: it is taken apart from the rest.
    let in_order = |map: &HashMap<String, String>| -> Vec<String> {
        let pairs: BTreeMap<_, _> = map.iter().collect();
        let texts = pairs.into_iter().flat_map(|(name, value)| [name, value]);
        texts.cloned().collect()
    };
    let rest = v1::Connection {
        connection_config: HashMap::new(),
        tags: HashMap::new(),
        last_use_time: None,
        use_count: 0,
        etag: String::new(),
        ..connection.clone()
    };
    let mut digest = digest::Context::new(&digest::SHA256);
    digest.update(&rest.encode_length_delimited_to_vec());
    for map in [&connection.connection_config, &connection.tags] {
        let texts = in_order(map);
        digest.update(&texts.len().to_be_bytes());
        for text in texts {
            digest.update(&text.encode_length_delimited_to_vec());
        }
    }
    let digest = digest.finish();
    let half = digest.as_ref().len() / 2;
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..half])
}

pub(crate) fn connector(connector: &Connector, redirect_uri: String) -> v1::Connector {
    let kind = match connector.kind {
        ConnectorKind::Shared => v1::ConnectorKind::Shared,
        ConnectorKind::AppUser => v1::ConnectorKind::AppUser,
    };
    let account_change = match connector.account_change {
        AccountChange::Refuse => v1::AccountChange::Refuse,
        AccountChange::Ask => v1::AccountChange::Ask,
        AccountChange::Accept => v1::AccountChange::Accept,
    };
    v1::Connector {
        connector_id: connector.id.to_string(),
        integration_type: connector.integration_type.to_string(),
        kind: kind.into(),
        display_name: connector.display_name.clone(),
        client_id: connector.client_id.clone(),
        client_secret: String::new(),
        client_secret_set: connector.client_secret.is_some(),
        scopes: connector.scopes.clone(),
        connection_config: connector.connection_config.clone().into_iter().collect(),
        return_urls: connector.return_urls.clone(),
        disabled: connector.disabled,
        redirect_uri,
        create_time: Some(timestamp(connector.create_time)),
        update_time: Some(timestamp(connector.update_time)),
        etag: connector.version.to_string(),
        other_client_secrets: Vec::new(),
        other_client_secret_count: count(
            u32::try_from(connector.other_client_secrets.len()).unwrap_or(u32::MAX),
        ),
        account_change: account_change.into(),
    }
}

pub(crate) fn planned_change(change: &PlannedChange, redirect_uri: String) -> v1::PlannedChange {
    let action = match change.action {
        PlannedAction::Create => v1::PlannedAction::Create,
        PlannedAction::Update => v1::PlannedAction::Update,
        PlannedAction::Unchanged => v1::PlannedAction::Unchanged,
        PlannedAction::Delete => v1::PlannedAction::Delete,
    };
    v1::PlannedChange {
        action: action.into(),
        connector: Some(connector(&change.connector, redirect_uri)),
        changed_fields: change
            .changed_fields
            .iter()
            .map(|&name| name.to_owned())
            .collect(),
        connections_needing_consent: count(change.connections_needing_consent),
        needs_authorization: change.needs_authorization,
    }
}

/// A count as the contract has it: what does not fit is as much as there can be.
pub(crate) fn bounded(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

pub(crate) fn count(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

pub(crate) fn authorization(
    authorization: &Authorization,
    integration_type: String,
    now: Timestamp,
) -> v1::Authorization {
    let expired = authorization.failure_reason == Error::AuthorizationExpired.reason()
        || (!authorization.state.is_final() && now >= authorization.expire_time);
    let state = match authorization.state {
        _ if expired => v1::AuthorizationState::Expired,
        AuthorizationState::Started => v1::AuthorizationState::Started,
        AuthorizationState::AwaitingConsent => v1::AuthorizationState::AwaitingConsent,
        AuthorizationState::AwaitingCompletion | AuthorizationState::Completing => {
            v1::AuthorizationState::AwaitingCompletion
        }
        AuthorizationState::Completed => v1::AuthorizationState::Completed,
        AuthorizationState::Denied => v1::AuthorizationState::Denied,
        AuthorizationState::Failed => v1::AuthorizationState::Failed,
    };
    let app_user_id = match &authorization.owner {
        Owner::Shared => String::new(),
        Owner::AppUser(id) => id.to_string(),
    };
    v1::Authorization {
        authorization_id: authorization.id.to_string(),
        connector_id: authorization.connector_id.to_string(),
        integration_type,
        app_user_id,
        label: authorization.label.to_string(),
        state: state.into(),
        failure_reason: authorization.failure_reason.clone(),
        provider_error: String::new(),
        scopes: authorization.scopes.clone(),
        connection_id: authorization
            .connection_id
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        create_time: Some(timestamp(authorization.create_time)),
        expire_time: Some(timestamp(authorization.expire_time)),
    }
}

pub(crate) fn capabilities(integration_type: &IntegrationType) -> v1::Capabilities {
    let capabilities = &integration_type.capabilities;
    v1::Capabilities {
        read_operations: capabilities.read_operations.clone(),
        write_operations: capabilities.write_operations.clone(),
        search_supported: capabilities.search_supported,
    }
}

pub(crate) fn integration_type(integration_type: &IntegrationType) -> v1::IntegrationType {
    let scopes = &integration_type.scopes;
    v1::IntegrationType {
        integration_type: integration_type.name.to_string(),
        display_name: integration_type.display_name.clone(),
        description: integration_type.description.clone(),
        category: integration_type.category.clone(),
        documentation_url: integration_type.documentation_url.clone(),
        capabilities: Some(capabilities(integration_type)),
        scopes: Some(v1::ScopeSuggestions {
            identity: scopes.identity.clone(),
            read: scopes.read.clone(),
            write: scopes.write.clone(),
            offline: scopes.offline.clone(),
        }),
        connection_config_fields: integration_type
            .connection_config_fields
            .iter()
            .map(|field| v1::ConnectionConfigField {
                name: field.name.clone(),
                display_name: field.display_name.clone(),
                description: field.description.clone(),
                placeholder: field.placeholder.clone(),
                required: field.required,
                validation_pattern: field.validation_pattern.clone(),
                validation_error: field.validation_error.clone(),
                default_value: field.default_value.clone().unwrap_or_default(),
                learned: field.learned,
                operator_only: field.operator_only,
            })
            .collect(),
        listed: integration_type.listed,
        user_defined: integration_type.user_defined,
        aliases: integration_type
            .aliases
            .iter()
            .map(ToString::to_string)
            .collect(),
        grant_type: grant_type(integration_type.grant_type).into(),
        api: Some(v1::ApiFacts {
            base_url: integration_type.api.base_url.clone(),
            token_header: integration_type.api.token_header.clone(),
            token_scheme: integration_type.api.token_scheme.clone(),
            required_headers: integration_type
                .api
                .required_headers
                .clone()
                .into_iter()
                .collect(),
        }),
        other_tokens: integration_type
            .other_tokens
            .iter()
            .map(|token| v1::TokenKind {
                name: token.name.clone(),
                description: token.description.clone(),
            })
            .collect(),
        device_authorization: integration_type.device_authorization,
        static_credential: integration_type
            .static_credential
            .as_ref()
            .map(static_credential),
    }
}

fn grant_type(grant_type: GrantType) -> v1::GrantType {
    match grant_type {
        GrantType::AuthorizationCode => v1::GrantType::AuthorizationCode,
        GrantType::ClientCredentials => v1::GrantType::ClientCredentials,
        GrantType::JwtBearer => v1::GrantType::JwtBearer,
        GrantType::TokenExchange => v1::GrantType::TokenExchange,
        GrantType::Static => v1::GrantType::Static,
    }
}

fn static_credential(field: &StaticCredentialField) -> v1::StaticCredentialField {
    v1::StaticCredentialField {
        display_name: field.display_name.clone(),
        description: field.description.clone(),
        placeholder: field.placeholder.clone(),
        validation_pattern: field.validation_pattern.clone(),
        validation_error: field.validation_error.clone(),
        basic: field.basic,
    }
}

/// What became of a grant; skipped without being asked for (`local_only`) means that there was nothing to revoke.
pub(crate) fn revocation(
    revocation: ProviderRevocation,
    local_only: bool,
) -> v1::ProviderRevocation {
    match revocation {
        ProviderRevocation::Skipped if !local_only => v1::ProviderRevocation::Unspecified,
        ProviderRevocation::Revoked => v1::ProviderRevocation::Revoked,
        ProviderRevocation::NotSupported => v1::ProviderRevocation::NotSupported,
        ProviderRevocation::Failed => v1::ProviderRevocation::Failed,
        ProviderRevocation::Skipped => v1::ProviderRevocation::Skipped,
    }
}

/// A row of an app user's list: the connector, with the connection if there is one. Of the siblings only those count that
/// are its own.
pub(crate) fn app_user_connection(
    connector: &Connector,
    integration_type: &IntegrationType,
    connection: Option<(&Connection, &[Connection])>,
) -> v1::AppUserConnection {
    let display_name = match connector.display_name.is_empty() {
        true => integration_type.display_name.clone(),
        false => connector.display_name.clone(),
    };
    let row = v1::AppUserConnection {
        connector_id: connector.id.to_string(),
        integration_type: connector.integration_type.to_string(),
        display_name,
        category: integration_type.category.clone(),
        capabilities: Some(capabilities(integration_type)),
        ..Default::default()
    };
    let Some((connection, siblings)) = connection else {
        return row;
    };
    let wanted = integration_type.scopes_of("", &connector.scopes);
    let beside = siblings.iter().filter(|sibling| {
        sibling.connector_id == connection.connector_id
            && sibling.label == connection.label
            && sibling.status != ConnectionStatus::Revoked
    });
    let missing = |scope: &&String| !connection.scopes.contains(scope);
    v1::AppUserConnection {
        connected: connection.status == ConnectionStatus::Authorized,
        connection_id: connection.id.to_string(),
        label: connection.label.to_string(),
        status: status(connection.status).into(),
        status_reason: connection.status_reason.clone(),
        account: account(&connection.account),
        scopes: connection.scopes.clone(),
        missing_scopes: wanted.iter().filter(missing).cloned().collect(),
        connection_config: connection.connection_config.clone().into_iter().collect(),
        authorize_time: Some(timestamp(connection.authorize_time)),
        refresh_time: Some(timestamp(connection.refresh_time)),
        expire_time: connection.expiry.time().map(timestamp),
        last_use_time: connection.last_use_time.map(timestamp),
        other_tokens: beside.map(|sibling| sibling.token.clone()).collect(),
        ..row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use tokend_model::{
        ConnectionId, ConnectorId, Expiry, Generation, IntegrationTypeName, Label, RefreshHealth,
        WorkspaceName,
    };

    fn authorized() -> Connection {
        let time = DateTime::UNIX_EPOCH;
        Connection {
            workspace: WorkspaceName::default_workspace(),
            id: ConnectionId::new("conn_1").expect("an id"),
            connector_id: ConnectorId::new("crm").expect("an id"),
            integration_type: IntegrationTypeName::new("crm").expect("a name"),
            owner: Owner::Shared,
            label: Label::default_label(),
            token: String::new(),
            tags: BTreeMap::new(),
            status: ConnectionStatus::Authorized,
            status_reason: String::new(),
            account: Account::default(),
            connection_config: ["a", "b", "c", "d"]
                .map(|name| (name.to_owned(), name.to_owned()))
                .into(),
            scopes: vec!["read".to_owned()],
            generation: Generation(1),
            expiry: Expiry::At(time),
            refresh_health: RefreshHealth::default(),
            renewal_time: None,
            create_time: time,
            authorize_time: time,
            refresh_time: time,
            last_use_time: None,
            use_count: 0,
        }
    }

    #[test]
    fn an_etag_changes_with_all_but_the_uses() {
        let etag = |change: fn(&mut Connection)| {
            let mut connection = authorized();
            change(&mut connection);
            super::connection(&connection, &[]).etag
        };
        let before = etag(|_| {});
        // The map's order differs from one to the next.
        assert!((0..20).all(|_| etag(|_| {}) == before));
        assert_eq!(
            etag(|used| (used.use_count, used.last_use_time) = (7, Some(used.create_time))),
            before
        );
        for changed in [
            etag(|revoked| revoked.status = ConnectionStatus::Revoked),
            etag(|other| other.status_reason = "REVOKED_BY_OPERATOR".to_owned()),
            etag(|other| other.account.email = Some("ada@app.example".to_owned())),
            etag(|other| other.generation = Generation(2)),
            etag(|other| other.scopes.clear()),
            etag(|other| {
                other.tags.insert("team".to_owned(), "sales".to_owned());
            }),
            etag(|other| {
                other
                    .connection_config
                    .insert("a".to_owned(), "b".to_owned());
            }),
        ] {
            assert_ne!(changed, before);
        }
    }

    #[test]
    fn nothing_to_revoke_is_told_from_not_asked() {
        use v1::ProviderRevocation as Told;
        let skipped = ProviderRevocation::Skipped;
        assert_eq!(revocation(skipped, true), Told::Skipped);
        assert_eq!(revocation(skipped, false), Told::Unspecified);
        assert_eq!(
            revocation(ProviderRevocation::Revoked, false),
            Told::Revoked
        );
    }
}
