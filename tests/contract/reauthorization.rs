//! A grant that the provider calls dead: believed the second time, healed by connecting again.

use tokend_api::v1;
use tokend_simulator::{Behaviour, Endpoint, Fault};
use tokend_tests::{Options, Tokend};
use tonic::Code;
use tonic_types::StatusExt;

use crate::answers::{
    eventually, instead_of, on_each_database, only_connection, refused, with_a_token_that_ran_out,
};

#[tokio::test(flavor = "multi_thread")]
async fn one_refusal_does_not_end_a_connection() {
    on_each_database(async |database| {
        let configure = |config: &mut tokend_server::config::Config| {
            config.vending.confirm_after_seconds = 1;
        };
        let options = Options {
            database,
            configure,
            ..Options::default()
        };
        let (tokend, _) = with_a_token_that_ran_out(options).await;
        let faults = tokend.simulator.faults();
        faults.push(Endpoint::Token, Fault::error(400, "invalid_grant"));
        let answer = tokend.get().await;
        let status = refused(answer, Code::Unavailable, "REFRESH_IN_PROGRESS");
        assert!(status.get_error_details().retry_info().is_some());
        let connection = only_connection(&tokend).await;
        assert_eq!(connection.status(), v1::ConnectionStatus::Expired);

        let renewed = eventually("the grant is tried again", async || tokend.get().await.ok());
        assert_eq!(renewed.await.generation, 2);
        let connection = only_connection(&tokend).await;
        assert_eq!(connection.status(), v1::ConnectionStatus::Authorized);
        assert_eq!(tokend.simulator.ledger().refreshes(), 1, "{database:?}");
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_revoked_at_the_provider_needs_its_user_and_connecting_again_heals_it() {
    on_each_database(async |database| {
        let configure = |config: &mut tokend_server::config::Config| {
            config.vending.confirm_after_seconds = 1;
        };
        let options = Options {
            database,
            configure,
            ..Options::default()
        };
        let (tokend, connection) = with_a_token_that_ran_out(options).await;
        tokend.simulator.revoke_by_user("user-1");
        let ledger = tokend.simulator.ledger();
        let calls = ledger.token_calls();

        let gone = async || {
            let answer = tokend.get().await;
            refused(answer, Code::FailedPrecondition, "REAUTHORIZATION_REQUIRED");
        };
        let doubted = tokend.get().await;
        refused(doubted, Code::Unavailable, "REFRESH_IN_PROGRESS");
        assert_eq!(
            only_connection(&tokend).await.status(),
            v1::ConnectionStatus::Expired
        );
        let ended = eventually("the second refusal is believed", async || {
            tokend.get().await.unwrap_err();
            let connection = only_connection(&tokend).await;
            (connection.status() == v1::ConnectionStatus::Error).then_some(connection)
        });
        assert_eq!(ended.await.status_reason, "REAUTHORIZATION_REQUIRED");
        assert_eq!(ledger.token_calls(), calls + 2, "{database:?}");
        for _ in 0..20 {
            gone().await;
        }
        assert_eq!(
            ledger.token_calls(),
            calls + 2,
            "{database:?}: nobody asks a dead grant"
        );

        let again = tokend.connect_shared().await;
        assert_eq!(again.connection_id, connection.connection_id);
        assert_eq!(again.status(), v1::ConnectionStatus::Authorized);
        let vended = tokend.get().await.unwrap();
        assert!(ledger.is_access_token_live(&vended.access_token));
        assert!(vended.generation > 1, "a new token has a new number");
        assert_eq!(
            tokend
                .get_with(instead_of(vended.generation))
                .await
                .unwrap()
                .generation,
            3
        );
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_end_that_callers_report_again_and_again_needs_its_user() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            configure: |config| config.vending.confirm_after_seconds = 1,
            behaviour: Behaviour {
                announces_lifetime: false,
                issues_refresh_tokens: false,
                ..Behaviour::default()
            },
            ..Options::default()
        })
        .await;
        tokend.connect_shared().await;
        let vended = tokend.get().await.unwrap();
        assert_eq!(vended.expire_time, None);

        let complain = async || {
            let answer = tokend.get_with(instead_of(vended.generation)).await;
            refused(answer, Code::FailedPrecondition, "REAUTHORIZATION_REQUIRED");
        };
        complain().await;
        // One complaint ends nothing: others still get the token.
        assert_eq!(
            tokend.get().await.unwrap().access_token,
            vended.access_token
        );
        let ended = eventually("the complaint is believed", async || {
            complain().await;
            let connection = only_connection(&tokend).await;
            (connection.status() == v1::ConnectionStatus::Error).then_some(())
        });
        ended.await;
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_renewal_does_not_wait_for_a_pause() {
    let (tokend, connection) = with_a_token_that_ran_out(Options::default()).await;
    let faults = tokend.simulator.faults();
    faults.push(Endpoint::Token, Fault::error(400, "invalid_grant"));
    let answer = tokend.get().await;
    refused(answer, Code::Unavailable, "REFRESH_IN_PROGRESS");

    let refresh = v1::RefreshConnectionRequest {
        connection_id: connection.connection_id,
        ..Default::default()
    };
    let mut admin = tokend.operator.admin();
    let renewed = admin
        .refresh_connection(refresh)
        .await
        .unwrap()
        .into_inner();
    assert!(renewed.renewed);
    assert_eq!(tokend.get().await.unwrap().generation, 2);
    tokend.stop().await;
}
