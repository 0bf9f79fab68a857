//! The part of the run in which all goes well.

use tokend_api::v1;
use tokend_tests::for_user;

use super::run::Run;
use crate::{
    calls::wish,
    visitor::{self, Arrived, parameter},
};

/// Connects the shared account, vends and renews it.
pub(crate) async fn shared(run: &mut Run) {
    let mut admin = run.tokend.operator.admin();
    let start = v1::StartAuthorizationRequest {
        integration_type: "simshared".to_owned(),
        ..Default::default()
    };
    let started = admin.start_authorization(start).await.unwrap().into_inner();
    run.show(&started);
    run.keep("an operator's completion token", &started.completion_token);
    let arrived = run.arrive(&started.redirect_url).await;
    run.show_page(&arrived.go_on().await);
    let complete = v1::CompleteAuthorizationRequest {
        authorization_id: started.authorization_id,
        completion_token: started.completion_token,
        ..Default::default()
    };
    run.show(&complete);
    let completed = admin.complete_authorization(complete).await.unwrap();
    run.show(&completed);

    let mut generation = None;
    for _ in 0..3 {
        let request = v1::GetConnectionRequest {
            rejected_generation: generation,
            ..Default::default()
        };
        let vended = run.tokend.get_with(request).await.unwrap();
        run.show(&vended);
        generation = Some(vended.generation);
    }
    assert_eq!(generation, Some(3));
    #[expect(deprecated, reason = "it vends a token all the same")]
    let answer = run
        .tokend
        .backend
        .connectors()
        .get_access_token(v1::GetAccessTokenRequest {
            integration_type: "simshared".to_owned(),
        })
        .await
        .unwrap()
        .into_inner();
    run.show(&answer);
}

/// Connects an app user's account by way of the app, vends it singly and in a batch.
pub(crate) async fn app_user(run: &mut Run, user_token: &str) {
    let (returned, _) = consent(run, user_token).await;
    run.show(&returned);
    let request = for_user(returned, user_token);
    let mut connectors = run.tokend.backend.connectors();
    let completed = connectors.complete_app_user_connection(request).await;
    run.show(&completed.unwrap());
    let vended = run.tokend.get_for(user_token).await.unwrap();
    run.show(&vended);
    let get = v1::GetCurrentAppUserConnectionRequest {
        connector_id: "users".to_owned(),
        rejected_generation: Some(vended.generation),
        ..Default::default()
    };
    let batch = v1::BatchGetConnectionsRequest {
        selectors: vec![v1::ConnectionSelector {
            selector: Some(v1::connection_selector::Selector::AppUser(get)),
        }],
    };
    let answer = connectors
        .batch_get_connections(for_user(batch, user_token))
        .await;
    run.show(&answer.unwrap());
    let list = v1::ListAppUserConnectionsRequest::default();
    let answer = connectors
        .list_app_user_connections(for_user(list, user_token))
        .await;
    run.show(&answer.unwrap());
    // The client that others build on prints its connections too.
    let get = run
        .tokend
        .backend
        .get_current_app_user_connection("users", user_token);
    run.show(&get);
    let connection = get.await.unwrap();
    run.show(&connection);
}

/// Connects another user's account by way of our own page.
pub(crate) async fn on_our_page(run: &mut Run) {
    let user_token = run.user_token("carol");
    let connect = v1::ConnectAppUserRequest {
        return_url: None,
        ..wish(&run.tokend)
    };
    let mut connectors = run.tokend.backend.connectors();
    let started = connectors
        .connect_app_user(for_user(connect, &user_token))
        .await;
    let started = started.unwrap().into_inner();
    let arrived = run.arrive(&started.redirect_url).await;
    let question = arrived.go_on().await;
    let completion_token = question.completion_token();
    run.keep("our page's completion token", completion_token);
    let context = visitor::callback_context(&run.tokend, "users").await;
    let url = format!("{}/oauth/complete/{context}", run.tokend.public_url());
    let form = question.form();
    let cookie = [("cookie", arrived.cookie.as_str())];
    let confirmed = visitor::request(reqwest::Method::POST, &url, &cookie, &form).await;
    assert_eq!(confirmed.status.as_u16(), 200, "{}", confirmed.body);
    run.show_page(&confirmed);
    let again = visitor::request(reqwest::Method::POST, &url, &cookie, &form).await;
    run.show_page(&again);
}

/// What operators read and write.
pub(crate) async fn operators_look_around(run: &mut Run) {
    let mut admin = run.tokend.operator.admin();
    let connections = admin
        .list_connections(v1::ListConnectionsRequest::default())
        .await;
    let connections = connections.unwrap().into_inner();
    run.show(&connections);
    assert_eq!(connections.connections.len(), 3);
    for connection in connections.connections {
        let describe = v1::DescribeConnectionRequest {
            connection_id: connection.connection_id.clone(),
        };
        run.show(&admin.describe_connection(describe).await.unwrap());
        let refresh = v1::RefreshConnectionRequest {
            connection_id: connection.connection_id,
            ..Default::default()
        };
        run.show(&admin.refresh_connection(refresh).await.unwrap());
    }
    let connectors = admin
        .list_connectors(v1::ListConnectorsRequest::default())
        .await;
    run.show(&connectors.unwrap());

    let apply = run.tokend.connectors();
    for connector in &apply.connectors {
        run.keep("a client secret", &connector.client_secret);
    }
    run.show(&apply);
    run.show(&admin.apply_connectors(apply).await.unwrap());
    let wrong_kind = v1::Connector {
        connector_id: "wrong".to_owned(),
        client_secret: tokend_simulator::Client::new("wrong").secret,
        ..Default::default()
    };
    run.keep("a refused client secret", &wrong_kind.client_secret);
    let create = v1::CreateConnectorRequest {
        connector: Some(wrong_kind),
    };
    run.show(&create);
    run.show_error(admin.create_connector(create).await);
    let grant = run.tokend.simulator.grant("client-of-users", "dora", &[]);
    let import = v1::ImportConnectionRequest {
        connector_id: "users".to_owned(),
        app_user_id: "dora".to_owned(),
        refresh_token: grant.refresh_token.unwrap(),
        ..Default::default()
    };
    run.show(&import);
    run.show(&admin.import_connection(import.clone()).await.unwrap());
    for misplaced in [
        v1::ImportConnectionRequest {
            scopes: vec![format!("\"{}", grant.access_token)],
            ..import.clone()
        },
        v1::ImportConnectionRequest {
            token_type: format!("{}\n", grant.access_token),
            ..import.clone()
        },
        v1::ImportConnectionRequest {
            label: Some(format!("{}\n", grant.access_token)),
            ..import
        },
    ] {
        run.show_error(admin.import_connection(misplaced).await);
    }
}

/// Leaves one attempt on its way to the provider and one with a code, so that the database holds both.
pub(crate) async fn left_open(run: &mut Run, user_token: &str) {
    consent(run, user_token).await;
    let started = start(run, user_token).await;
    run.arrive(&started.redirect_url).await;
    start(run, user_token).await;
}

/// Disconnects while the provider repeats what it is told, then for good.
pub(crate) async fn disconnect(run: &mut Run, user_token: &str) {
    let faults = run.tokend.simulator.faults();
    let echo = tokend_simulator::Fault::body(500, "text/plain", run.echo());
    faults.push(tokend_simulator::Endpoint::Revoke, echo);
    let carol = run.user_token("carol");
    for user_token in [&carol, user_token] {
        let request = v1::DisconnectAppUserRequest {
            connector_id: "users".to_owned(),
            label: None,
        };
        let mut connectors = run.tokend.backend.connectors();
        let answer = connectors
            .disconnect_app_user(for_user(request, user_token))
            .await;
        assert!(answer.as_ref().unwrap().get_ref().disconnected);
        run.show(&answer.unwrap());
    }
    let mut admin = run.tokend.operator.admin();
    let rest = admin
        .list_connections(v1::ListConnectionsRequest::default())
        .await;
    for connection in rest.unwrap().into_inner().connections {
        let revoke = v1::RevokeConnectionRequest {
            connection_id: connection.connection_id,
            ..Default::default()
        };
        run.show(&admin.revoke_connection(revoke).await.unwrap());
    }
    run.show_error(run.tokend.get().await);
}

/// `ConnectAppUser` with reconnect, coming back to the app.
pub(crate) async fn start(run: &mut Run, user_token: &str) -> v1::ConnectAppUserResponse {
    let connect = v1::ConnectAppUserRequest {
        reconnect: true,
        ..wish(&run.tokend)
    };
    let mut connectors = run.tokend.backend.connectors();
    let started = connectors
        .connect_app_user(for_user(connect, user_token))
        .await;
    let started = started.unwrap().into_inner();
    run.keep_ticket(&started.redirect_url);
    run.show(&started);
    started
}

/// Starts, consents and goes on to the callback; what the app is told, and the way there.
pub(crate) async fn consent(
    run: &mut Run,
    user_token: &str,
) -> (v1::CompleteAppUserConnectionRequest, Arrived) {
    let started = start(run, user_token).await;
    let arrived = run.arrive(&started.redirect_url).await;
    let back = arrived.go_on().await.location();
    let completion_token = parameter(&back, "completion_token");
    run.keep("a completion token", &completion_token);
    let returned = v1::CompleteAppUserConnectionRequest {
        authorization_id: started.authorization_id,
        completion_token,
        ..Default::default()
    };
    (returned, arrived)
}
