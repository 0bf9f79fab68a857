//! Scopes asked for when connecting: fewer than the connector's may be, others may not.

use tokend_api::v1;
use tokend_tests::{Options, Tokend};
use tonic::Code;

use crate::{
    answers::{refused, violations},
    calls::{complete, connect, consented, get, nothing_was_redeemed, wish},
    visitor,
};

#[tokio::test(flavor = "multi_thread")]
async fn scopes_can_be_narrowed_and_not_widened() {
    let tokend = Tokend::start(Options::default()).await;
    let connector = v1::Connector {
        connector_id: "users".to_owned(),
        scopes: vec!["events.read".to_owned(), "events.write".to_owned()],
        ..Default::default()
    };
    let update = v1::UpdateConnectorRequest {
        connector: Some(connector),
        update_mask: None,
    };
    tokend
        .operator
        .admin()
        .update_connector(update)
        .await
        .unwrap();
    for wider in [
        &["admin"][..],
        &["events.read", "admin"],
        &["events.read events.write"],
        &["EVENTS.READ"],
        &["openid"],
        &[""],
    ] {
        let answer = connect(&tokend, "ada", asking_for(&tokend, wider)).await;
        let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(violations(&status)[0].0, "scopes", "{wider:?}");
    }
    nothing_was_redeemed(&tokend).await;

    let request = asking_for(&tokend, &["events.read"]);
    let started = connect(&tokend, "bob", request.clone()).await.unwrap();
    let asked = visitor::get(&started.redirect_url, "").await.location();
    let (_, scope) = asked
        .query_pairs()
        .find(|(name, _)| name == "scope")
        .unwrap();
    assert_eq!(scope, "events.read");

    let returned = consented(&tokend, "ada", request).await;
    complete(&tokend, "ada", &returned).await.unwrap();
    let vended = get(&tokend, "ada", Default::default()).await.unwrap();
    assert_eq!(vended.scopes, ["events.read"]);
    assert_eq!(vended.missing_scopes, ["events.write"]);
    let for_writing = v1::GetCurrentAppUserConnectionRequest {
        scopes: vec!["events.write".to_owned()],
        ..Default::default()
    };
    let answer = get(&tokend, "ada", for_writing).await;
    refused(answer, Code::FailedPrecondition, "SCOPE_NOT_GRANTED");
    tokend.stop().await;
}

fn asking_for(tokend: &Tokend, scopes: &[&str]) -> v1::ConnectAppUserRequest {
    v1::ConnectAppUserRequest {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..wish(tokend)
    }
}
