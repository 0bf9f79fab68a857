//! Describing a connection: what an operator needs to find out what is wrong, and never a token.

use tokend_api::v1;
use tokend_simulator::{Endpoint, Fault};
use tokend_tests::{Options, Tokend};
use tonic::Code;

use crate::answers::{instead_of, metadata, on_each_database, refused, with_a_token_that_ran_out};

#[tokio::test(flavor = "multi_thread")]
async fn each_kept_generation_is_described_with_its_source_and_key() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        let connected = tokend.connect_shared().await;
        let first = describe(&tokend, &connected.connection_id).await;
        assert_eq!(first.connection.as_ref(), Some(&connected));
        assert_eq!(first.generations.len(), 1);
        let generation = &first.generations[0];
        assert_eq!(generation.generation, 1);
        assert_eq!(generation.source(), v1::CredentialSource::Authorization);
        assert_eq!(generation.create_time, connected.refresh_time);
        assert_eq!(generation.expire_time, connected.expire_time);
        assert!(generation.renewable);
        assert_ne!(generation.key_id, "");
        let next = first.next_refresh_time.unwrap();
        let (made, ends) = (
            connected.refresh_time.unwrap(),
            connected.expire_time.unwrap(),
        );
        assert!(
            made.seconds < next.seconds && next.seconds < ends.seconds,
            "{next}"
        );
        assert_eq!(
            (
                first.consecutive_failures,
                first.last_failure_reason.as_str()
            ),
            (0, "")
        );
        assert_eq!(first.needs_user_by_time, None);

        tokend.get_with(instead_of(1)).await.unwrap();
        tokend.get_with(instead_of(2)).await.unwrap();
        let renewed = describe(&tokend, &connected.connection_id).await;
        let kept: Vec<_> = renewed
            .generations
            .iter()
            .map(|kept| (kept.generation, kept.source()))
            .collect();
        let refresh = v1::CredentialSource::Refresh;
        assert_eq!(kept, [(3, refresh), (2, refresh)]);
        for secret in tokend.simulator.ledger().secrets_issued() {
            assert!(!format!("{renewed:?}").contains(&secret));
        }
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_counted_with_the_reason_of_the_last() {
    on_each_database(async |database| {
        let options = Options {
            database,
            configure: |config| config.vending.first_pause_seconds = 1,
            ..Options::default()
        };
        let (tokend, connected) = with_a_token_that_ran_out(options).await;
        let faults = tokend.simulator.faults();
        let id = &connected.connection_id;
        for (failures, fault, reason) in [
            (1, Fault::error(401, "invalid_client"), "CLIENT_REJECTED"),
            (
                2,
                Fault::redirect("http://127.0.0.1:9/"),
                "PROVIDER_MISBEHAVED",
            ),
        ] {
            faults.push(Endpoint::Token, fault);
            refresh(&tokend, id).await.unwrap_err();
            let described = describe(&tokend, id).await;
            assert_eq!(described.consecutive_failures, failures);
            assert_eq!(described.last_failure_reason, reason);
            assert!(described.last_failure_time.is_some());
            assert!(described.next_refresh_time.is_some());
        }
        refresh(&tokend, id).await.unwrap();
        let described = describe(&tokend, id).await;
        assert_eq!(
            (
                described.consecutive_failures,
                described.last_failure_reason.as_str()
            ),
            (0, "")
        );
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_a_refresh_token_needs_its_user_when_it_ends() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend
            .simulator
            .change(|behaviour| behaviour.issues_refresh_tokens = false);
        let connected = tokend.connect_shared().await;
        let described = describe(&tokend, &connected.connection_id).await;
        assert!(!described.generations[0].renewable);
        assert_eq!(described.next_refresh_time, None);
        assert_eq!(described.needs_user_by_time, connected.expire_time);

        let revoke = v1::RevokeConnectionRequest {
            connection_id: connected.connection_id.clone(),
            ..Default::default()
        };
        tokend
            .operator
            .admin()
            .revoke_connection(revoke)
            .await
            .unwrap();
        let revoked = describe(&tokend, &connected.connection_id).await;
        assert_eq!(
            (revoked.generations.len(), revoked.needs_user_by_time),
            (0, None)
        );
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_operator_describes_and_only_what_is_there() {
    let tokend = Tokend::start(Options::default()).await;
    let request = v1::DescribeConnectionRequest {
        connection_id: "conn_0".to_owned(),
    };
    let answer = tokend
        .operator
        .admin()
        .describe_connection(request.clone())
        .await;
    let status = refused(answer, Code::NotFound, "CONNECTION_NOT_FOUND");
    assert_eq!(metadata(&status, "connectionId"), "conn_0");
    let answer = tokend.backend.admin().describe_connection(request).await;
    refused(answer, Code::PermissionDenied, "CALLER_NOT_ALLOWED");
    tokend.stop().await;
}

async fn describe(tokend: &Tokend, id: &str) -> v1::DescribeConnectionResponse {
    let request = v1::DescribeConnectionRequest {
        connection_id: id.to_owned(),
    };
    let mut admin = tokend.operator.admin();
    admin
        .describe_connection(request)
        .await
        .unwrap()
        .into_inner()
}

async fn refresh(tokend: &Tokend, id: &str) -> Result<(), tonic::Status> {
    let request = v1::RefreshConnectionRequest {
        connection_id: id.to_owned(),
        ..Default::default()
    };
    let answer = tokend.operator.admin().refresh_connection(request).await;
    answer.map(|_| ())
}
