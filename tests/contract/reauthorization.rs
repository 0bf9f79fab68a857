//! A grant that the provider calls dead: believed the second time, healed by connecting again.

use std::time::Duration;

use tokend_api::v1;
use tokend_simulator::{Endpoint, Fault};
use tokend_tests::{Options, Tokend};
use tonic::Code;

use crate::answers::{
    eventually, instead_of, on_each_database, only_connection, refused, until_run_out,
};

#[tokio::test(flavor = "multi_thread")]
async fn one_refusal_does_not_end_a_connection() {
    on_each_database(async |database| {
        let configure = |config: &mut tokend_server::config::Config| {
            config.vending.confirm_after_seconds = 1;
        };
        let tokend = Tokend::start(Options {
            database,
            configure,
            ..Options::default()
        })
        .await;
        tokend
            .simulator
            .change(|b| b.access_token_lifetime = Some(Duration::from_secs(1)));
        tokend.connect_shared().await;
        until_run_out(&tokend.get().await.unwrap()).await;
        tokend
            .simulator
            .change(|b| b.access_token_lifetime = Some(Duration::from_secs(3600)));
        let faults = tokend.simulator.faults();
        faults.push(Endpoint::Token, Fault::error(400, "invalid_grant"));
        let answer = tokend.get().await;
        refused(answer, Code::FailedPrecondition, "REAUTHORIZATION_REQUIRED");
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
        let tokend = Tokend::start(Options {
            database,
            configure,
            ..Options::default()
        })
        .await;
        tokend
            .simulator
            .change(|b| b.access_token_lifetime = Some(Duration::from_secs(1)));
        let connection = tokend.connect_shared().await;
        until_run_out(&tokend.get().await.unwrap()).await;
        tokend.simulator.revoke_by_user("user-1");
        let ledger = tokend.simulator.ledger();
        let calls = ledger.token_calls();

        let gone = async || {
            let answer = tokend.get().await;
            refused(answer, Code::FailedPrecondition, "REAUTHORIZATION_REQUIRED");
        };
        gone().await;
        assert_eq!(
            only_connection(&tokend).await.status(),
            v1::ConnectionStatus::Expired
        );
        let ended = eventually("the second refusal is believed", async || {
            gone().await;
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

        tokend
            .simulator
            .change(|b| b.access_token_lifetime = Some(Duration::from_secs(3600)));
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
