//! The provider fails when the code is redeemed: a clear error, nothing half-written, and no code lost that never left.

use tokend_api::v1;
use tokend_simulator::{Endpoint, Fault};
use tokend_tests::{Options, Tokend, databases, definition, reason};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpSocket, TcpStream},
};
use tonic::Code;

use crate::{
    answers::{eventually, refused, retry_delay},
    calls::{complete, connections, consented, get, start, wish},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_never_left_can_be_completed_again() {
    for database in databases() {
        let tokend = start(database).await;
        // Bound, so that nobody else gets the port; not listening, so that it refuses connections.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = socket.local_addr().unwrap().port();
        send_codes_to(&tokend, &format!("http://127.0.0.1:{port}")).await;
        let returned = consented(&tokend, "ada", wish(&tokend)).await;
        for _ in 0..2 {
            let answer = complete(&tokend, "ada", &returned).await;
            let status = refused(answer, Code::Unavailable, "PROVIDER_UNAVAILABLE");
            assert!(retry_delay(&status).is_some(), "{status:?}");
            assert_eq!(connections(&tokend).await, []);
        }

        let provider = tokend.simulator.base_url().trim_start_matches("http://");
        let forwarding = tokio::spawn(forward(socket.listen(64).unwrap(), provider.to_owned()));
        let connection = eventually("the provider is back", async || {
            complete(&tokend, "ada", &returned).await.ok()
        })
        .await;
        let vended = get(&tokend, "ada", Default::default()).await.unwrap();
        assert_eq!(vended.connection_id, connection.connection_id);
        assert_eq!(tokend.simulator.ledger().token_calls(), 1, "{database:?}");
        forwarding.abort();
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_only_asks_to_wait_gets_the_code_later() {
    for database in databases() {
        let tokend = start(database).await;
        let returned = consented(&tokend, "ada", wish(&tokend)).await;
        let faults = tokend.simulator.faults();
        faults.push(Endpoint::Token, Fault::too_many_requests(1));
        let answer = complete(&tokend, "ada", &returned).await;
        let status = refused(answer, Code::Unavailable, "PROVIDER_RATE_LIMITED");
        assert!(retry_delay(&status).is_some(), "{status:?}");
        assert_eq!(connections(&tokend).await, []);
        complete(&tokend, "ada", &returned).await.unwrap();
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_may_be_spent_ends_the_attempt() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            configure: |config| config.oauth.timeout_seconds = 1,
            ..Options::default()
        })
        .await;
        for (fault, expected) in [
            (Fault::status(500), "AUTHORIZATION_FAILED"),
            (Fault::Close, "AUTHORIZATION_FAILED"),
            (Fault::LoseAnswer, "AUTHORIZATION_FAILED"),
            (Fault::TruncateAnswer, "AUTHORIZATION_FAILED"),
            (Fault::Hang, "AUTHORIZATION_FAILED"),
            (Fault::html(), "AUTHORIZATION_FAILED"),
            (Fault::error(200, "something_odd"), "AUTHORIZATION_FAILED"),
            (Fault::error(400, "invalid_grant"), "AUTHORIZATION_FAILED"),
            (Fault::error(401, "invalid_client"), "CLIENT_REJECTED"),
        ] {
            let what = format!("{database:?} {fault:?}");
            let returned = consented(&tokend, "ada", wish(&tokend)).await;
            tokend.simulator.faults().push(Endpoint::Token, fault);
            let answer = complete(&tokend, "ada", &returned).await;
            let status = answer.expect_err(&what);
            assert_eq!(reason(&status), expected, "{what}");
            assert_eq!(status.code(), Code::FailedPrecondition, "{what}");
            assert_eq!(retry_delay(&status), None, "waiting does not help: {what}");
            assert_eq!(connections(&tokend).await, [], "{what}");
            let calls = tokend.simulator.ledger().token_calls();
            let again = complete(&tokend, "ada", &returned).await;
            refused(again, Code::FailedPrecondition, "AUTHORIZATION_FAILED");
            let ledger = tokend.simulator.ledger();
            assert_eq!(ledger.token_calls(), calls, "{what}");
        }
        let not_connected = get(&tokend, "ada", Default::default()).await;
        refused(not_connected, Code::FailedPrecondition, "NOT_CONNECTED");
        tokend.connect_user("ada").await;
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_account_it_is_need_not_be_known() {
    let tokend = Tokend::start(Options::default()).await;
    let faults = tokend.simulator.faults();
    faults.always(Endpoint::Userinfo, Some(Fault::status(500)));
    let connection = tokend.connect_user("ada").await;
    assert_eq!(connection.status(), v1::ConnectionStatus::Authorized);
    get(&tokend, "ada", Default::default()).await.unwrap();
    tokend.stop().await;
}

/// Moves the token endpoint of the simulated type to another base URL.
async fn send_codes_to(tokend: &Tokend, base: &str) {
    let provider = tokend.simulator.base_url();
    let toml = definition(provider);
    let here = format!("url = \"{provider}/token\"");
    assert!(toml.contains(&here));
    let there = format!("url = \"{base}/token\"");
    let apply = v1::ApplyConnectorsRequest {
        integration_types: vec![v1::IntegrationTypeDefinition {
            integration_type: "simshared".to_owned(),
            toml: toml.replace(&here, &there),
        }],
        ..Default::default()
    };
    tokend
        .operator
        .admin()
        .apply_connectors(apply)
        .await
        .unwrap();
}

/// Passes connections on, as a provider that is there again.
async fn forward(listener: TcpListener, to: String) {
    while let Ok((mut from, _)) = listener.accept().await {
        let to = to.clone();
        tokio::spawn(async move {
            let mut to = TcpStream::connect(to).await?;
            copy_bidirectional(&mut from, &mut to).await
        });
    }
}
