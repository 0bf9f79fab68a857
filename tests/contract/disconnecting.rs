//! Disconnecting: nothing comes back, and nothing stays alive at the provider.

use tokend_api::v1;
use tokend_simulator::{Endpoint, Fault};
use tokend_tests::{Options, Tokend, databases};
use tonic::Code;

use crate::answers::refused;

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnect_while_a_renewal_waits_at_the_provider_wins() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend.connect_user("ada").await;
        let gate = tokend.simulator.faults().hold(Endpoint::Token);
        let renewal = renew(&tokend);
        gate.waiting(1).await;
        disconnect(&tokend, v1::ProviderRevocation::Revoked).await;
        gate.open();

        assert!(renewal.await.unwrap().is_err(), "{database:?}");
        nothing_is_left(&tokend).await;
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnect_while_the_renewed_token_is_on_its_way_wins() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend.connect_user("ada").await;
        let faults = tokend.simulator.faults();
        faults.push(Endpoint::Token, Fault::HoldAnswer);
        let renewal = renew(&tokend);
        faults.waiting(Endpoint::Token, 1).await;
        assert_eq!(tokend.simulator.ledger().refreshes(), 1);
        // The old token cannot be revoked; the new one, which arrives too late, has to be.
        faults.push(Endpoint::Revoke, Fault::status(503));
        disconnect(&tokend, v1::ProviderRevocation::Failed).await;
        assert_eq!(tokend.simulator.ledger().live_grants().len(), 1);
        faults.release(Endpoint::Token);

        assert!(renewal.await.unwrap().is_err(), "{database:?}");
        nothing_is_left(&tokend).await;
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnecting_twice_says_that_there_was_nothing() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_user("ada").await;
    tokend.get_for(&tokend.user_token("ada")).await.unwrap();
    disconnect(&tokend, v1::ProviderRevocation::Revoked).await;
    nothing_is_left(&tokend).await;
    let user_token = tokend.user_token("ada");
    let again = tokend
        .backend
        .disconnect_app_user(request(), &user_token)
        .await
        .unwrap();
    assert!(!again.disconnected);
    tokend.stop().await;
}

type Renewal = tokio::task::JoinHandle<Result<tokend_client::Connection, tokend_client::Error>>;

fn renew(tokend: &Tokend) -> Renewal {
    let get = tokend
        .backend
        .get_current_app_user_connection("users", tokend.user_token("ada"));
    let options = tokend_client::GetOptions {
        rejected_generation: Some(1),
        ..Default::default()
    };
    tokio::spawn(get.with_options(options).into_future())
}

async fn disconnect(tokend: &Tokend, revocation: v1::ProviderRevocation) {
    let user_token = tokend.user_token("ada");
    let answer = tokend
        .backend
        .disconnect_app_user(request(), &user_token)
        .await
        .unwrap();
    assert!(answer.disconnected);
    assert_eq!(answer.provider_revocation(), revocation);
}

fn request() -> v1::DisconnectAppUserRequest {
    v1::DisconnectAppUserRequest {
        connector_id: "users".to_owned(),
        label: None,
    }
}

async fn nothing_is_left(tokend: &Tokend) {
    let answer = tokend.get_for(&tokend.user_token("ada")).await;
    refused(answer, Code::FailedPrecondition, "NOT_CONNECTED");
    let list = v1::ListConnectionsRequest::default();
    let listed = tokend
        .operator
        .admin()
        .list_connections(list)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.connections, []);
    let ledger = tokend.simulator.ledger();
    assert_eq!(ledger.live_grants().len(), 0, "{:?}", ledger.grants());
}
