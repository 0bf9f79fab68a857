//! The calls of a backend on behalf of an app user, with the whole status where they fail.

use tokend_api::v1;
use tokend_tests::{Database, Options, Tokend, for_user};
use tonic::Status;

/// What a browser brought back to the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Returned {
    pub(crate) authorization_id: String,
    pub(crate) completion_token: String,
}

/// A tokend on that database.
pub(crate) async fn start(database: Database) -> Tokend {
    Tokend::start(Options {
        database,
        ..Options::default()
    })
    .await
}

/// A wish to connect under `users` and to come back to the app.
pub(crate) fn wish(tokend: &Tokend) -> v1::ConnectAppUserRequest {
    v1::ConnectAppUserRequest {
        connector_id: "users".to_owned(),
        return_url: Some(tokend.simulator.app_return_url()),
        ..Default::default()
    }
}

/// `ConnectAppUser`
pub(crate) async fn connect(
    tokend: &Tokend,
    user: &str,
    request: v1::ConnectAppUserRequest,
) -> Result<v1::ConnectAppUserResponse, Status> {
    let mut connectors = tokend.backend.connectors();
    let request = for_user(request, &tokend.user_token(user));
    Ok(connectors.connect_app_user(request).await?.into_inner())
}

/// Starts, consents in a browser and comes back, without completing.
pub(crate) async fn consented(
    tokend: &Tokend,
    user: &str,
    request: v1::ConnectAppUserRequest,
) -> Returned {
    let started = connect(tokend, user, request).await.unwrap();
    let page = tokend.browse(&started.redirect_url).await;
    assert_eq!(page.status, 200, "{}", page.body);
    returned(tokend, &started.authorization_id).await
}

/// What the browser brought back for that attempt.
pub(crate) async fn returned(tokend: &Tokend, authorization_id: &str) -> Returned {
    let query = tokend.simulator.wait_for_return(authorization_id).await;
    Returned {
        authorization_id: authorization_id.to_owned(),
        completion_token: query["completion_token"].clone(),
    }
}

/// `CompleteAppUserConnection`
pub(crate) async fn complete(
    tokend: &Tokend,
    user: &str,
    returned: &Returned,
) -> Result<v1::Connection, Status> {
    let request = v1::CompleteAppUserConnectionRequest {
        authorization_id: returned.authorization_id.clone(),
        completion_token: returned.completion_token.clone(),
        ..Default::default()
    };
    let mut connectors = tokend.backend.connectors();
    let request = for_user(request, &tokend.user_token(user));
    let answer = connectors.complete_app_user_connection(request).await?;
    Ok(answer.into_inner().connection.unwrap())
}

/// `GetCurrentAppUserConnection` under `users`, with options.
pub(crate) async fn get(
    tokend: &Tokend,
    user: &str,
    request: v1::GetCurrentAppUserConnectionRequest,
) -> Result<v1::VendedConnection, Status> {
    let request = v1::GetCurrentAppUserConnectionRequest {
        connector_id: "users".to_owned(),
        ..request
    };
    let mut connectors = tokend.backend.connectors();
    let request = for_user(request, &tokend.user_token(user));
    let answer = connectors.get_current_app_user_connection(request).await?;
    Ok(answer.into_inner())
}

/// `DisconnectAppUser` under `users`.
pub(crate) async fn disconnect(
    tokend: &Tokend,
    user: &str,
    label: Option<&str>,
) -> Result<v1::DisconnectAppUserResponse, Status> {
    let request = v1::DisconnectAppUserRequest {
        connector_id: "users".to_owned(),
        label: label.map(str::to_owned),
    };
    let mut connectors = tokend.backend.connectors();
    let request = for_user(request, &tokend.user_token(user));
    Ok(connectors.disconnect_app_user(request).await?.into_inner())
}

/// `ListAppUserConnections`
pub(crate) async fn list(
    tokend: &Tokend,
    user: &str,
    request: v1::ListAppUserConnectionsRequest,
) -> Result<v1::ListAppUserConnectionsResponse, Status> {
    let mut connectors = tokend.backend.connectors();
    let request = for_user(request, &tokend.user_token(user));
    let answer = connectors.list_app_user_connections(request).await?;
    Ok(answer.into_inner())
}

/// All connections, as operators see them.
pub(crate) async fn connections(tokend: &Tokend) -> Vec<v1::Connection> {
    let request = v1::ListConnectionsRequest::default();
    let mut admin = tokend.operator.admin();
    let answer = admin.list_connections(request).await.unwrap();
    answer.into_inner().connections
}

/// That nobody was connected and the provider was never asked for a token.
#[track_caller]
pub(crate) fn nothing_was_redeemed(tokend: &Tokend) -> impl Future<Output = ()> {
    let calls = tokend.simulator.ledger().token_calls();
    assert_eq!(calls, 0, "the token endpoint was called");
    async { assert_eq!(connections(tokend).await, []) }
}
