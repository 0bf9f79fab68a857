//! What is stored about one app user: as one JSON document (docs/user-data.md), and its end.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use serde::Serialize;
use tokend_api::v1;
use tokend_model::{Account, AppUserId, Authorization, Connection, Timestamp, WorkspaceName};
use tokend_vending::{Error, UserData};

use super::{admin::Admin, from_proto, to_proto};

/// The document's form; another number when a reader of this one would misread it.
const FORMAT: &str = "tokend.user-data.v1";

/// The document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    format: &'static str,
    workspace: &'a str,
    app_user_id: &'a str,
    export_time: String,
    connections: Vec<ToldConnection<'a>>,
    authorizations: Vec<ToldAuthorization<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToldConnection<'a> {
    connection_id: &'a str,
    connector_id: &'a str,
    integration_type: &'a str,
    label: &'a str,
    token: &'a str,
    status: &'static str,
    status_reason: &'a str,
    account: ToldAccount<'a>,
    connection_config: &'a BTreeMap<String, String>,
    scopes: &'a [String],
    tags: &'a BTreeMap<String, String>,
    create_time: String,
    authorize_time: String,
    refresh_time: String,
    expire_time: Option<String>,
    last_use_time: Option<String>,
    use_count: i64,
}

#[derive(Serialize)]
struct ToldAccount<'a> {
    id: Option<&'a str>,
    email: Option<&'a str>,
    name: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToldAuthorization<'a> {
    authorization_id: &'a str,
    connector_id: &'a str,
    label: &'a str,
    state: &'static str,
    failure_reason: &'a str,
    scopes: &'a [String],
    connection_config: &'a BTreeMap<String, String>,
    tags: &'a BTreeMap<String, String>,
    connection_id: Option<&'a str>,
    create_time: String,
    expire_time: String,
}

impl Admin {
    pub(super) async fn export_user_data_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::ExportUserDataRequest,
    ) -> Result<v1::ExportUserDataResponse, Error> {
        let app_user = from_proto::app_user_id(&request.app_user_id)?;
        let found = self.vending.user_data(workspace, &app_user).await?;
        let now = self.clock.now();
        let user_data_json = document(workspace, &app_user, &found, now).map_err(|error| {
            tracing::error!(%error, "what is stored about an app user is no JSON");
            Error::Internal
        })?;
        Ok(v1::ExportUserDataResponse { user_data_json })
    }

    pub(super) async fn erase_user_in(
        &self,
        workspace: &WorkspaceName,
        request: v1::EraseUserRequest,
    ) -> Result<v1::EraseUserResponse, Error> {
        let app_user = from_proto::app_user_id(&request.app_user_id)?;
        let erased = match request.dry_run {
            true => self.vending.erasable_user(workspace, &app_user).await?,
            false => self.vending.erase_user(workspace, &app_user).await?,
        };
        let connections = erased.connections.iter().map(|(connection, revocation)| {
            let told = to_proto::revocation(*revocation, false);
            v1::ErasedConnection {
                connection_id: connection.id.to_string(),
                integration_type: connection.integration_type.to_string(),
                provider_revocation: told.into(),
            }
        });
        Ok(v1::EraseUserResponse {
            connections: connections.collect(),
            erased_authorizations: to_proto::bounded(erased.authorizations),
            pseudonymized_audit_events: 0,
            erased: !request.dry_run,
        })
    }
}

fn document(
    workspace: &WorkspaceName,
    app_user: &AppUserId,
    found: &UserData,
    now: Timestamp,
) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Document {
        format: FORMAT,
        workspace: workspace.as_str(),
        app_user_id: app_user.as_str(),
        export_time: time(now),
        connections: found.connections.iter().map(connection).collect(),
        authorizations: found.authorizations.iter().map(authorization).collect(),
    })
}

fn connection(connection: &Connection) -> ToldConnection<'_> {
    ToldConnection {
        connection_id: connection.id.as_str(),
        connector_id: connection.connector_id.as_str(),
        integration_type: connection.integration_type.as_str(),
        label: connection.label.as_str(),
        token: &connection.token,
        status: connection.status.as_str(),
        status_reason: &connection.status_reason,
        account: account(&connection.account),
        connection_config: &connection.connection_config,
        scopes: &connection.scopes,
        tags: &connection.tags,
        create_time: time(connection.create_time),
        authorize_time: time(connection.authorize_time),
        refresh_time: time(connection.refresh_time),
        expire_time: connection.expiry.time().map(time),
        last_use_time: connection.last_use_time.map(time),
        use_count: connection.use_count,
    }
}

fn account(account: &Account) -> ToldAccount<'_> {
    ToldAccount {
        id: account.id.as_deref(),
        email: account.email.as_deref(),
        name: account.name.as_deref(),
    }
}

fn authorization(authorization: &Authorization) -> ToldAuthorization<'_> {
    ToldAuthorization {
        authorization_id: authorization.id.as_str(),
        connector_id: authorization.connector_id.as_str(),
        label: authorization.label.as_str(),
        state: authorization.state.as_str(),
        failure_reason: &authorization.failure_reason,
        scopes: &authorization.scopes,
        connection_config: &authorization.connection_config,
        tags: &authorization.tags,
        connection_id: authorization.connection_id.as_ref().map(|id| id.as_str()),
        create_time: time(authorization.create_time),
        expire_time: time(authorization.expire_time),
    }
}

/// RFC 3339, to the millisecond.
fn time(time: Timestamp) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
