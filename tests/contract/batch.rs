//! BatchGetConnections: one result each, in order.

use tokend_api::{
    USER_TOKEN_METADATA,
    v1::{self, batch_get_connections_result::Result as Item, connection_selector::Selector},
};
use tokend_tests::{Options, Tokend};
use tonic::{Code, Request};

use crate::answers::{refused, violations};

#[tokio::test(flavor = "multi_thread")]
async fn each_selector_has_its_own_result_in_its_own_place() {
    let tokend = Tokend::start(Options::default()).await;
    let shared_id = tokend.connect_shared().await.connection_id;
    let own_id = tokend.connect_user("ada").await.connection_id;
    let selectors = vec![
        shared("githubb"),
        shared("simshared"),
        app_user("users"),
        shared("notion"),
    ];
    let mut batch = Request::new(v1::BatchGetConnectionsRequest { selectors });
    let user_token = tokend.user_token("ada").parse().unwrap();
    batch.metadata_mut().insert(USER_TOKEN_METADATA, user_token);

    let answer = tokend
        .backend
        .connectors()
        .batch_get_connections(batch)
        .await
        .unwrap();

    let told: Vec<_> = answer
        .into_inner()
        .results
        .into_iter()
        .map(|result| told(&result))
        .collect();
    let expected = [
        (Code::NotFound, "INTEGRATION_TYPE_UNKNOWN".to_owned()),
        (Code::Ok, shared_id),
        (Code::Ok, own_id),
        (Code::NotFound, "CONNECTOR_NOT_FOUND".to_owned()),
    ];
    assert_eq!(told, expected);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_one_to_a_hundred_selectors() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    let ask = async |count: usize| {
        let selectors = vec![shared("simshared"); count];
        let batch = v1::BatchGetConnectionsRequest { selectors };
        tokend
            .backend
            .connectors()
            .batch_get_connections(batch)
            .await
    };
    for count in [0, 101] {
        let status = refused(ask(count).await, Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(violations(&status), ["selectors"]);
    }
    let results = ask(100).await.unwrap().into_inner().results;
    assert_eq!(results.len(), 100);
    assert!(results.iter().all(|result| told(result).0 == Code::Ok));
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_item_needs_the_user_and_an_empty_item_is_its_own_failure() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    let ask = async |selectors: Vec<v1::ConnectionSelector>| {
        let batch = v1::BatchGetConnectionsRequest { selectors };
        tokend
            .backend
            .connectors()
            .batch_get_connections(batch)
            .await
    };
    let answer = ask(vec![shared("simshared"), app_user("users")]).await;
    refused(answer, Code::Unauthenticated, "APP_USER_UNAUTHENTICATED");

    let answer = ask(vec![
        v1::ConnectionSelector { selector: None },
        shared("simshared"),
    ])
    .await;
    let results = answer.unwrap().into_inner().results;
    assert_eq!(
        told(&results[0]),
        (Code::InvalidArgument, "INVALID_FIELD".to_owned())
    );
    assert_eq!(told(&results[1]).0, Code::Ok);
    tokend.stop().await;
}

fn shared(integration_type: &str) -> v1::ConnectionSelector {
    let integration_type = integration_type.to_owned();
    let get = v1::GetConnectionRequest {
        integration_type,
        ..Default::default()
    };
    v1::ConnectionSelector {
        selector: Some(Selector::Shared(get)),
    }
}

fn app_user(connector_id: &str) -> v1::ConnectionSelector {
    let connector_id = connector_id.to_owned();
    let get = v1::GetCurrentAppUserConnectionRequest {
        connector_id,
        ..Default::default()
    };
    v1::ConnectionSelector {
        selector: Some(Selector::AppUser(get)),
    }
}

/// The code, with the connection's id or the reason.
fn told(result: &v1::BatchGetConnectionsResult) -> (Code, String) {
    match result.result.as_ref().unwrap() {
        Item::Connection(vended) => (Code::Ok, vended.connection_id.clone()),
        Item::Status(status) => (Code::from_i32(status.code), status.reason.clone()),
    }
}
