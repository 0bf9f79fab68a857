//! What a provider does to us: asks to wait (P-12), is away (P-11), had its grant taken back (P-14), errs once (P-15).

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokend_api::v1;
use tokend_client::Client;
use tokend_simulator::{Endpoint, Fault};
use tokend_tests::{Database, Options, Tokend, databases};
use tonic::Code;

use crate::{
    answers::{eventually, now, refused, retry_delay},
    many::{Account, Class, client_of, import_many},
};

#[tokio::test(flavor = "multi_thread")]
async fn p12_no_replica_calls_before_the_time_the_provider_asked_for() {
    if !databases().contains(&Database::Postgres) {
        return;
    }
    let tokend = Tokend::start(Options {
        database: Database::Postgres,
        ..Options::default()
    })
    .await;
    let accounts = import_many(&tokend, Class::Strict, "limited", 8).await;
    let (other, other_backend) = tokend.replica().await;
    let replicas = [&tokend.backend, &other_backend];
    let ledger = tokend.simulator.ledger();
    let client = client_of("limited");
    let faults = tokend.simulator.faults_of(&client);

    for (round, generation) in [1, 2].into_iter().enumerate() {
        faults.push(Endpoint::Token, Fault::too_many_requests(2));
        let told = Instant::now();
        let answer = accounts[0].get_instead_of(replicas[round], Some(generation));
        refused(answer.await, Code::Unavailable, "PROVIDER_RATE_LIMITED");
        let calls = ledger.token_calls_of(&client);
        // All of the client's connections, on both replicas, again and again until the time is over.
        let renewed = join_all(accounts.iter().enumerate().map(async |(number, account)| {
            eventually("the provider is asked again", async || {
                let backend = replicas[number % 2];
                match account.get_instead_of(backend, Some(generation)).await {
                    Ok(renewed) => Some(renewed.generation),
                    answer => {
                        let status = refused(answer, Code::Unavailable, "PROVIDER_RATE_LIMITED");
                        let delay = retry_delay(&status).unwrap();
                        assert!(delay <= Duration::from_secs(2), "{delay:?}");
                        None
                    }
                }
            })
            .await
        }));
        assert_eq!(renewed.await, vec![generation + 1; accounts.len()]);
        assert!(told.elapsed() >= Duration::from_millis(1999));
        assert_eq!(ledger.token_calls_of(&client), calls + accounts.len());
    }
    assert_eq!(ledger.early_calls(&client), 0);
    other.stop().await;
    tokend.stop().await;
}

/// Tokens that live for so many seconds, renewed ahead.
async fn short_lived(seconds: u64, configure: fn(&mut tokend_server::config::Config)) -> Tokend {
    let tokend = Tokend::start(Options {
        configure,
        ..Options::default()
    })
    .await;
    tokend.simulator.change(|behaviour| {
        behaviour.access_token_lifetime = Some(Duration::from_secs(seconds));
    });
    tokend
}

#[tokio::test(flavor = "multi_thread")]
async fn p14_a_grant_the_user_took_back_is_reported_within_a_cycle_and_left_alone() {
    let tokend = short_lived(6, |config| {
        config.vending.renew_ahead = true;
        config.vending.confirm_after_seconds = 1;
    })
    .await;
    let accounts = import_many(&tokend, Class::Strict, "revoked", 2).await;
    let [gone, kept] = accounts.as_slice() else {
        panic!("two were asked for")
    };
    tokend.simulator.revoke_by_user(&gone.label);
    let revoked = Instant::now();
    let ledger = tokend.simulator.ledger();
    let presentations = || {
        ledger
            .family_state(gone.tokens.family)
            .unwrap()
            .presentations
    };

    let reported = eventually("it is reported", async || {
        let connection = gone.connection(&tokend.operator).await;
        (connection.status() == v1::ConnectionStatus::Error).then_some(connection)
    });
    assert_eq!(reported.await.status_reason, "REAUTHORIZATION_REQUIRED");
    // One life of the token, and the time to confirm it.
    let took = revoked.elapsed();
    assert!(took < Duration::from_secs(6 + 1 + 3), "{took:?}");
    let asked = presentations();
    assert!(
        (1..=3).contains(&asked),
        "one call, and at most two confirmations: {asked}"
    );
    println!("P-14: reported after {took:?} and {asked} refusals");

    // The other goes through two more cycles; the one that is gone is not asked for again, nor reported anew.
    let later = kept.connection(&tokend.operator).await.generation + 2;
    eventually("the other is renewed twice", async || {
        let answer = gone.get(&tokend.backend).await;
        if let Err(status) = answer {
            refused(
                Err::<(), _>(status),
                Code::FailedPrecondition,
                "REAUTHORIZATION_REQUIRED",
            );
        }
        let connection = gone.connection(&tokend.operator).await;
        assert_eq!(connection.status(), v1::ConnectionStatus::Error);
        (kept.connection(&tokend.operator).await.generation >= later).then_some(())
    })
    .await;
    assert_eq!(presentations(), asked);
    assert_eq!(
        gone.describe(&tokend.operator).await.next_refresh_time,
        None
    );
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p15_a_refusal_that_was_a_mistake_ends_nothing() {
    let tokend = short_lived(6, |config| {
        config.vending.renew_ahead = true;
        config.vending.confirm_after_seconds = 1;
    })
    .await;
    let accounts = import_many(&tokend, Class::Strict, "erring", 1).await;
    let account = &accounts[0];
    let faults = tokend.simulator.faults_of(&client_of("erring"));
    faults.push(Endpoint::Token, Fault::error(400, "invalid_grant"));
    let renewed = eventually("it is renewed all the same", async || {
        let connection = account.connection(&tokend.operator).await;
        assert_ne!(connection.status(), v1::ConnectionStatus::Error);
        if let Err(status) = account.get(&tokend.backend).await {
            refused(
                Err::<(), _>(status),
                Code::Unavailable,
                "REFRESH_IN_PROGRESS",
            );
        }
        (connection.generation > 1).then_some(connection)
    });
    let renewed = renewed.await;
    assert_eq!(renewed.status(), v1::ConnectionStatus::Authorized);
    assert_eq!(faults.pending(Endpoint::Token), 0);
    let ledger = tokend.simulator.ledger();
    assert_eq!((ledger.live_grants().len(), ledger.reuses()), (1, 0));
    tokend.stop().await;
}

/// Connections in the outage, and how long their tokens live.
const CONNECTIONS: usize = 40;
const LIFETIME: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
async fn p11_a_provider_that_is_away_is_asked_seldom_and_everything_recovers() {
    let tokend = short_lived(LIFETIME.as_secs(), |config| {
        config.vending.renew_ahead = true;
        config.oauth.max_calls_per_second = 10;
    })
    .await;
    let accounts = import_many(&tokend, Class::Overlap, "away", CONNECTIONS).await;
    let client = client_of("away");
    let (ledger, faults) = (
        tokend.simulator.ledger(),
        tokend.simulator.faults_of(&client),
    );
    each_renewed(&tokend, &accounts, 2).await;
    let steady = ledger.busiest_second(&client);

    faults.always(Endpoint::Token, Some(Fault::Close));
    let (begun, before) = (Instant::now(), ledger.token_calls_of(&client));
    let mut served = 0;
    eventually("all tokens run out", async || {
        let answers = join_all(accounts.iter().map(|account| get(account, &tokend.backend)));
        let valid = answers.await.into_iter().filter(|valid| *valid).count();
        served += valid;
        (valid == 0).then_some(())
    })
    .await;
    let (lasted, calls) = (begun.elapsed(), ledger.token_calls_of(&client) - before);
    assert!(
        served >= CONNECTIONS,
        "tokens are served until they run out: {served}"
    );
    // The first that fail, and then one try a second at most.
    let seldom = 10 + 2 * usize::try_from(lasted.as_secs()).unwrap();
    assert!(calls <= seldom, "{calls} calls in {lasted:?}");

    faults.always(Endpoint::Token, None);
    let away = Instant::now();
    each_renewed(&tokend, &accounts, 1).await;
    let busiest = ledger.busiest_second(&client);
    println!(
        "P-11: away for {lasted:?} with {calls} calls; all back {:?} later; busiest second {busiest}, steady {steady}",
        away.elapsed()
    );
    assert!(
        busiest <= 2 * steady,
        "{busiest} calls in a second, and {steady} before"
    );
    assert_eq!(
        (ledger.reuses(), ledger.live_grants().len()),
        (0, CONNECTIONS)
    );
    tokend.stop().await;
}

/// Whether a token was had; if so, it was valid. Otherwise the error says to come back.
async fn get(account: &Account, backend: &Client) -> bool {
    let asked = now();
    match account.get(backend).await {
        Ok(vended) => {
            let end = std::time::SystemTime::try_from(vended.expire_time.unwrap()).unwrap();
            assert!(end > asked, "a token that had run out was handed out");
            true
        }
        Err(status) => {
            assert!(retry_delay(&status).is_some(), "{status:?}");
            refused(
                Err::<(), _>(status),
                Code::Unavailable,
                "PROVIDER_UNAVAILABLE",
            );
            false
        }
    }
}

/// Waits until each has got so many more tokens.
async fn each_renewed(tokend: &Tokend, accounts: &[Account], times: u32) {
    let mut wanted = Vec::new();
    for account in accounts {
        let generation = account.connection(&tokend.operator).await.generation;
        wanted.push(generation + times);
    }
    for (account, wanted) in accounts.iter().zip(wanted) {
        eventually("it is renewed", async || {
            let vended = account.get(&tokend.backend).await.ok()?;
            (vended.generation >= wanted).then_some(())
        })
        .await;
    }
}
