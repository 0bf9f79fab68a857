//! From the contract's words to ours; what is not of its form is told with the field's name.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tokend_api::v1;
use tokend_model::{
    Account, AccountChange, AppUserId, AuthorizationId, ConnectionId, ConnectionStatus,
    ConnectorId, ConnectorKind, Generation, IntegrationTypeName, InvalidId, Label, Owner, Secret,
    Timestamp, WorkspaceName,
};
use tokend_vending::{
    ClientSecret, ConnectorDraft, ConnectorRef, Error, ImportConnection, Target, VendOptions,
};

/// The range of `google.protobuf.Timestamp`, in unix seconds.
const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;

fn named<T>(field: &'static str, read: Result<T, InvalidId>) -> Result<T, Error> {
    read.map_err(|invalid| Error::invalid(field, invalid.to_string()))
}

/// An integration type a caller asks for. What cannot be a name is simply not known.
pub(crate) fn integration_type(text: &str) -> Result<IntegrationTypeName, Error> {
    match text {
        "" => Err(Error::invalid("integration_type", "is missing")),
        _ => named("integration_type", IntegrationTypeName::new(text)),
    }
}

pub(crate) fn connector_id(text: &str) -> Result<ConnectorId, Error> {
    match text {
        "" => Err(Error::invalid("connector_id", "is missing")),
        _ => named("connector_id", ConnectorId::new(text)),
    }
}

pub(crate) fn connection_id(text: &str) -> Result<ConnectionId, Error> {
    named("connection_id", ConnectionId::new(text))
}

pub(crate) fn authorization_id(text: &str) -> Result<AuthorizationId, Error> {
    named("authorization_id", AuthorizationId::new(text))
}

pub(crate) fn app_user_id(text: &str) -> Result<AppUserId, Error> {
    named("app_user_id", AppUserId::new(text))
}

pub(crate) fn label(text: Option<&str>) -> Result<Label, Error> {
    named("label", Label::new(text.unwrap_or_default()))
}

pub(crate) fn secret(field: &'static str, text: String) -> Result<Secret, Error> {
    match text.is_empty() {
        true => Err(Error::invalid(field, "is missing")),
        false => Ok(Secret::new(text)),
    }
}

pub(crate) fn duration(
    field: &'static str,
    duration: Option<prost_types::Duration>,
) -> Result<Option<Duration>, Error> {
    duration
        .map(|duration| {
            Duration::try_from(duration).map_err(|_| Error::invalid(field, "must not be negative"))
        })
        .transpose()
}

pub(crate) fn kind(kind: v1::ConnectorKind) -> Option<ConnectorKind> {
    match kind {
        v1::ConnectorKind::Unspecified => None,
        v1::ConnectorKind::Shared => Some(ConnectorKind::Shared),
        v1::ConnectorKind::AppUser => Some(ConnectorKind::AppUser),
    }
}

/// What is to be done about another account; accepted where nothing is said.
pub(crate) fn account_change(change: v1::AccountChange) -> AccountChange {
    match change {
        v1::AccountChange::Refuse => AccountChange::Refuse,
        v1::AccountChange::Ask => AccountChange::Ask,
        v1::AccountChange::Accept | v1::AccountChange::Unspecified => AccountChange::Accept,
    }
}

/// Secrets in their order.
pub(crate) fn secrets(texts: Vec<String>) -> Vec<Secret> {
    texts.into_iter().map(Secret::new).collect()
}

/// The statuses of a filter, as they are on the wire.
pub(crate) fn statuses(given: &[i32]) -> Result<Vec<v1::ConnectionStatus>, Error> {
    given
        .iter()
        .map(|&number| match v1::ConnectionStatus::try_from(number) {
            Ok(v1::ConnectionStatus::Unspecified) | Err(_) => Err(Error::invalid(
                "statuses",
                format!("{number} is no status to filter by"),
            )),
            Ok(status) => Ok(status),
        })
        .collect()
}

/// The stored status a filter means; `PENDING` is no stored status, so nothing matches it.
pub(crate) fn status(status: v1::ConnectionStatus) -> Option<ConnectionStatus> {
    match status {
        v1::ConnectionStatus::Unspecified | v1::ConnectionStatus::Pending => None,
        v1::ConnectionStatus::Authorized => Some(ConnectionStatus::Authorized),
        v1::ConnectionStatus::Expired => Some(ConnectionStatus::Expired),
        v1::ConnectionStatus::Revoked => Some(ConnectionStatus::Revoked),
        v1::ConnectionStatus::Error => Some(ConnectionStatus::Error),
    }
}

/// A get of the shared connection.
pub(crate) fn shared_get(
    workspace: &WorkspaceName,
    request: &v1::GetConnectionRequest,
) -> Result<(Target, VendOptions), Error> {
    let target = Target {
        workspace: workspace.clone(),
        connector: ConnectorRef::Shared(integration_type(&request.integration_type)?),
        owner: Owner::Shared,
        label: label(request.label.as_deref())?,
        token: request.token.clone(),
    };
    let options = VendOptions {
        min_ttl: duration("min_ttl", request.min_ttl)?,
        scopes: request.scopes.clone(),
        rejected_generation: request.rejected_generation.map(Generation),
    };
    Ok((target, options))
}

/// A get of the app user's connection.
pub(crate) fn app_user_get(
    workspace: &WorkspaceName,
    app_user: &AppUserId,
    request: &v1::GetCurrentAppUserConnectionRequest,
) -> Result<(Target, VendOptions), Error> {
    let target = Target {
        workspace: workspace.clone(),
        connector: ConnectorRef::AppUser(connector_id(&request.connector_id)?),
        owner: Owner::AppUser(app_user.clone()),
        label: label(request.label.as_deref())?,
        token: request.token.clone(),
    };
    let options = VendOptions {
        min_ttl: duration("min_ttl", request.min_ttl)?,
        scopes: request.scopes.clone(),
        rejected_generation: request.rejected_generation.map(Generation),
    };
    Ok((target, options))
}

/// A connector as an operator sends it; output-only fields are not looked at.
pub(crate) fn connector_draft(connector: v1::Connector) -> Result<ConnectorDraft, Error> {
    let draft_kind = kind(connector.kind()).ok_or_else(|| {
        Error::invalid(
            "kind",
            "must be CONNECTOR_KIND_SHARED or CONNECTOR_KIND_APP_USER",
        )
    })?;
    let account_change = account_change(connector.account_change());
    Ok(ConnectorDraft {
        id: match connector.connector_id.as_str() {
            "" => None,
            id => Some(connector_id(id)?),
        },
        integration_type: integration_type(&connector.integration_type)?,
        kind: draft_kind,
        display_name: connector.display_name,
        client_id: connector.client_id,
        client_secret: match connector.client_secret.is_empty() {
            true => ClientSecret::Keep,
            false => ClientSecret::Set(Secret::new(connector.client_secret)),
        },
        other_client_secrets: match connector.other_client_secrets.is_empty() {
            true => None,
            false => Some(secrets(connector.other_client_secrets)),
        },
        scopes: connector.scopes,
        connection_config: connector.connection_config.into_iter().collect(),
        return_urls: connector.return_urls,
        disabled: connector.disabled,
        account_change,
    })
}

/// The tags of something that has none yet or keeps those it has; `None` where none are given.
pub(crate) fn tags(given: HashMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!given.is_empty()).then(|| given.into_iter().collect())
}

/// A grant from elsewhere, as an operator sends it.
pub(crate) fn import_connection(
    workspace: &WorkspaceName,
    request: v1::ImportConnectionRequest,
) -> Result<ImportConnection, Error> {
    let given = |text: String| (!text.is_empty()).then_some(text);
    Ok(ImportConnection {
        workspace: workspace.clone(),
        connector_id: connector_id(&request.connector_id)?,
        app_user: given(request.app_user_id)
            .map(|id| app_user_id(&id))
            .transpose()?,
        label: label(request.label.as_deref())?,
        access_token: given(request.access_token).map(Secret::new),
        refresh_token: given(request.refresh_token).map(Secret::new),
        token_type: given(request.token_type),
        expire_time: request
            .expire_time
            .map(|time| timestamp("expire_time", time))
            .transpose()?,
        scopes: request.scopes,
        connection_config: request.connection_config.into_iter().collect(),
        account: request.account.and_then(account),
        verify: request.verify,
        tags: tags(request.tags),
        learned_config: request.learned_config.into_iter().collect(),
    })
}

/// A time between the years 1 and 9999, as the contract's have to be.
pub(crate) fn timestamp(
    field: &'static str,
    time: prost_types::Timestamp,
) -> Result<Timestamp, Error> {
    u32::try_from(time.nanos)
        .ok()
        .and_then(|nanos| Timestamp::from_timestamp(time.seconds, nanos))
        .filter(|time| (FIRST_SECOND..=LAST_SECOND).contains(&time.timestamp()))
        .ok_or_else(|| Error::invalid(field, "must be a time between the years 1 and 9999"))
}

/// `None` where nothing is told.
fn account(account: v1::Account) -> Option<Account> {
    let told = |text: String| (!text.is_empty()).then_some(text);
    let account = Account {
        id: told(account.id),
        email: told(account.email),
        name: told(account.name),
    };
    (account != Account::default()).then_some(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_statuses_that_there_are() {
        let authorized = v1::ConnectionStatus::Authorized;
        let known = statuses(&[authorized.into(), v1::ConnectionStatus::Pending.into()]);
        assert_eq!(
            known.expect("known ones"),
            [authorized, v1::ConnectionStatus::Pending]
        );
        assert!(statuses(&[]).expect("none").is_empty());
        for wrong in [0, 99, -1] {
            assert!(matches!(
                statuses(&[authorized.into(), wrong]),
                Err(Error::InvalidField {
                    field: "statuses",
                    ..
                })
            ));
        }
    }
}
