//! Quotas: who reads through all connections is slowed down, and nobody else is.

use std::time::Duration;

use futures::{StreamExt, stream};
use tokend_api::v1;
use tokend_client::{Client, Credentials};
use tokend_server::{NewCaller, add_caller};
use tokend_tests::{Options, Tokend, captured_logs};
use tonic::{Code, Status};

use crate::{
    answers::{eventually, instead_of, metadata, refused, retry_delay},
    many::{Class, import_many},
};

/// T-25.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_enumerates_a_thousand_connections_is_throttled_and_another_is_not() {
    let tokend = Tokend::start(Options {
        configure: |config| config.quotas.caller_connections_per_minute = 200,
        ..Options::default()
    })
    .await;
    let accounts = import_many(&tokend, Class::Strict, "crm", 1000).await;
    let other = caller(&tokend, "crm-sync", "default").await;

    let answers: Vec<_> = stream::iter(&accounts)
        .map(|account| account.get(&tokend.backend))
        .buffered(16)
        .collect()
        .await;
    let (vended, throttled): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    // The minute may have been over in between, on a slow machine: then as many again.
    assert!(matches!(vended.len(), 200 | 400), "{}", vended.len());
    for answer in throttled {
        let status = refused(answer, Code::ResourceExhausted, "QUOTA_EXCEEDED");
        let quota = metadata(&status, "quota");
        assert_eq!(quota, "quotas.caller_connections_per_minute");
        let wait = retry_delay(&status).unwrap();
        assert!(
            !wait.is_zero() && wait <= Duration::from_secs(60),
            "{wait:?}"
        );
    }
    let logs = captured_logs();
    let alarms = logs
        .lines()
        .filter(|line| line.contains("a caller has used up its quota") && line.contains("WARN"))
        .filter(|line| line.contains("quotas.caller_connections_per_minute"));
    assert!(matches!(alarms.count(), 1 | 2), "one alarm a minute");

    // What it had within the minute it has still; and others have everything.
    accounts[0].get(&other).await.unwrap();
    for account in &accounts[500..600] {
        account.get(&other).await.unwrap();
    }
    tokend.stop().await;
}

/// P-25.
#[tokio::test(flavor = "multi_thread")]
async fn a_noisy_workspace_does_not_use_up_another_s_quota() {
    let tokend = Tokend::start(Options {
        configure: |config| config.quotas.workspace_vends_per_second = 50,
        ..Options::default()
    })
    .await;
    tokend.connect_shared().await;
    let noisy = caller(&tokend, "noisy", "noisy").await;
    let noise = async {
        let answers: Vec<_> = stream::iter(0..500)
            .map(|_| get(&noisy))
            .buffer_unordered(32)
            .collect()
            .await;
        let reasons = answers.into_iter().map(|answer| answer.unwrap_err());
        let exhausted = reasons.filter(|status| status.code() == Code::ResourceExhausted);
        let exhausted: Vec<_> = exhausted.collect();
        assert!(!exhausted.is_empty());
        for status in exhausted {
            let quota = metadata(&status, "quota");
            assert_eq!(quota, "quotas.workspace_vends_per_second");
        }
    };
    let quiet = async {
        for _ in 0..40 {
            get(&tokend.backend).await.unwrap();
        }
    };
    tokio::join!(noise, quiet);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_beyond_the_rate_waits_as_long_as_it_is_told() {
    let tokend = Tokend::start(Options {
        configure: |config| config.quotas.caller_vends_per_second = 2,
        ..Options::default()
    })
    .await;
    tokend.connect_shared().await;
    let answers: Vec<_> = stream::iter(0..20)
        .map(|_| tokend.get())
        .buffer_unordered(20)
        .collect()
        .await;
    let refusals: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    let last = refusals.last().expect("some are too many");
    assert_eq!(metadata(last, "quota"), "quotas.caller_vends_per_second");
    let wait = retry_delay(last).unwrap();
    assert!(
        !wait.is_zero() && wait <= Duration::from_secs(1),
        "{wait:?}"
    );
    eventually("it goes on", async || tokend.get().await.ok()).await;
    tokend.stop().await;
}

/// T-26.
#[tokio::test(flavor = "multi_thread")]
async fn who_calls_each_new_token_rejected_does_not_renew_without_end() {
    let tokend = Tokend::start(Options {
        configure: |config| config.quotas.rejected_generations_per_minute = 3,
        ..Options::default()
    })
    .await;
    tokend.connect_shared().await;
    for generation in 1..=3 {
        let renewed = tokend.get_with(instead_of(generation)).await.unwrap();
        assert_eq!(renewed.generation, generation + 1);
    }
    let status = refused(
        tokend.get_with(instead_of(4)).await,
        Code::ResourceExhausted,
        "QUOTA_EXCEEDED",
    );
    let quota = metadata(&status, "quota");
    assert_eq!(quota, "quotas.rejected_generations_per_minute");
    assert!(retry_delay(&status).is_some());
    assert_eq!(tokend.simulator.ledger().refreshes(), 3);

    // Whoever comes with what was counted already gets the newest, and so does who complains of nothing.
    for old in 1..=3 {
        assert_eq!(
            tokend.get_with(instead_of(old)).await.unwrap().generation,
            4
        );
    }
    assert_eq!(tokend.get().await.unwrap().generation, 4);
    let other = caller(&tokend, "another", "default").await;
    let get = v1::GetConnectionRequest {
        integration_type: "simshared".to_owned(),
        ..instead_of(4)
    };
    let renewed = other.connectors().get_connection(get).await.unwrap();
    assert_eq!(renewed.into_inner().generation, 5);
    tokend.stop().await;
}

async fn get(backend: &Client) -> Result<v1::VendedConnection, Status> {
    let get = v1::GetConnectionRequest {
        integration_type: "simshared".to_owned(),
        ..Default::default()
    };
    Ok(backend.connectors().get_connection(get).await?.into_inner())
}

/// One more backend, once its key is known to the server.
async fn caller(tokend: &Tokend, name: &str, workspace: &str) -> Client {
    let new = NewCaller {
        name: name.to_owned(),
        workspace: workspace.to_owned(),
        operator: false,
        expires_in: None,
    };
    let key = add_caller(&tokend.config, new).await.unwrap().api_key;
    let client = Client::builder(format!("http://{}", tokend.grpc()))
        .credentials(Credentials::api_key(key.expose()))
        .connect()
        .await
        .unwrap();
    eventually("the key is known", async || {
        let answer = get(&client).await;
        let unknown = answer.is_err_and(|status| status.code() == Code::Unauthenticated);
        (!unknown).then_some(())
    })
    .await;
    client
}
