//! A copy of the database, or an old backup, uses up nobody's refresh tokens.

use std::{fs, time::Duration};

use sqlx::{Connection, Executor, PgConnection};
use tokend_api::v1;
use tokend_server::adopt_database;
use tokend_simulator::Behaviour;
use tokend_tests::{Database, Options, Tokend, databases};
use tonic::Code;

use crate::answers::{eventually, instead_of, on_each_database, refused};

/// What readiness says.
async fn readiness(tokend: &Tokend) -> String {
    let probe = format!("{}/readyz", tokend.operations_url());
    let answer = reqwest::get(probe).await.unwrap();
    assert_eq!(answer.status(), 200, "valid tokens are vended");
    answer.text().await.unwrap()
}

/// Waits until the server says so at its readiness probe.
async fn until_readiness_says(tokend: &Tokend, text: &str) {
    let said = eventually(text, async || {
        readiness(tokend).await.contains(text).then_some(())
    });
    said.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p22_a_copy_started_elsewhere_calls_no_provider_until_it_is_adopted() {
    on_each_database(async |database| {
        let mut tokend = Tokend::start(Options {
            database,
            behaviour: Behaviour {
                access_token_lifetime: Some(Duration::from_secs(12)),
                ..Behaviour::default()
            },
            ..Options::default()
        })
        .await;
        let connection = tokend.connect_shared().await;
        let waiting = tokend.start_user("ada").await;
        tokend.browse(&waiting.redirect_url).await;
        let returned = tokend
            .simulator
            .wait_for_return(&waiting.authorization_id)
            .await;
        let ledger = tokend.simulator.ledger();
        let calls = ledger.token_calls();

        // The same database, but nothing here that knows whose it is.
        tokend.config.deployment.file = tokend.home.path().join("elsewhere");
        let tokend = tokend.restart().await;
        assert_eq!(tokend.get().await.unwrap().generation, 1, "{database:?}");
        assert!(readiness(&tokend).await.contains("vending only"));

        let not_adopted = "DATABASE_NOT_ADOPTED";
        let answer = tokend.get_with(instead_of(1)).await;
        refused(answer, Code::FailedPrecondition, not_adopted);
        let refresh = v1::RefreshConnectionRequest {
            connection_id: connection.connection_id.clone(),
            ..Default::default()
        };
        let answer = tokend.operator.admin().refresh_connection(refresh).await;
        refused(answer, Code::FailedPrecondition, not_adopted);
        let answer = tokend
            .backend
            .complete_app_user_connection(
                waiting.authorization_id,
                returned["completion_token"].as_str(),
                &tokend.user_token("ada"),
            )
            .await;
        let reason = answer.unwrap_err().reason;
        assert_eq!(reason, Some(v1::ErrorReason::DatabaseNotAdopted));
        assert_eq!(ledger.token_calls(), calls, "{database:?}");

        adopt_database(&tokend.config).await.unwrap();
        // The token may have been used up elsewhere: it is not presented while the access token works.
        let renewed = eventually("the token runs out and is renewed", async || {
            tokend.get().await.ok().filter(|got| got.generation == 2)
        });
        renewed.await;
        assert_eq!(ledger.token_calls(), calls + 1, "{database:?}");
        assert_eq!(readiness(&tokend).await, "ready\n");
        assert_eq!(ledger.reuses(), 0);
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p21_an_old_backup_is_vended_from_only() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    let tokend = tokend.restart().await;
    let config = tokend.config.clone();
    let backup = |name: &str| tokend.home.path().join(name);
    // The write-ahead log is part of it.
    let files = ["tokend.db", "tokend.db-wal"];
    for file in files.iter().filter(|file| backup(file).exists()) {
        fs::copy(backup(file), backup(&format!("{file}.backup"))).unwrap();
    }
    assert_eq!(tokend.get_with(instead_of(1)).await.unwrap().generation, 2);
    let ledger = tokend.simulator.ledger();
    let tokend = tokend.restart().await;
    let home = tokend.home.path().to_owned();
    let calls = ledger.token_calls();

    let tokend = tokend
        .restart_after(|| {
            for file in files {
                let _ = fs::remove_file(home.join(file));
                let kept = home.join(format!("{file}.backup"));
                if kept.exists() {
                    fs::rename(kept, home.join(file)).unwrap();
                }
            }
            let _ = fs::remove_file(home.join("tokend.db-shm"));
        })
        .await;
    assert!(readiness(&tokend).await.contains("older than it was"));
    let answer = tokend.get_with(instead_of(1)).await;
    refused(answer, Code::FailedPrecondition, "DATABASE_NOT_ADOPTED");
    assert_eq!(ledger.token_calls(), calls);

    adopt_database(&config).await.unwrap();
    until_readiness_says(&tokend, "ready\n").await;
    // What the backup holds was replaced long ago; it is not presented while its access token works.
    let answer = tokend.get_with(instead_of(1)).await;
    refused(answer, Code::Unavailable, "PROVIDER_UNAVAILABLE");
    assert_eq!((ledger.token_calls(), ledger.reuses()), (calls, 0));
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p21_a_database_that_goes_back_in_time_is_noticed_while_running() {
    if !databases().contains(&Database::Postgres) {
        return;
    }
    let tokend = Tokend::start(Options {
        database: Database::Postgres,
        ..Options::default()
    })
    .await;
    tokend.connect_shared().await;
    let calls = tokend.simulator.ledger().token_calls();
    let mut database = PgConnection::connect(&tokend.config.database.url)
        .await
        .unwrap();
    database
        .execute("UPDATE deployments SET pulse = pulse - 1000")
        .await
        .unwrap();
    // At once, before anybody looked.
    let answer = tokend.get_with(instead_of(1)).await;
    refused(answer, Code::FailedPrecondition, "DATABASE_NOT_ADOPTED");
    assert_eq!(tokend.simulator.ledger().token_calls(), calls);
    until_readiness_says(&tokend, "older than it was").await;
    assert_eq!(tokend.get().await.unwrap().generation, 1);
    adopt_database(&tokend.config).await.unwrap();
    until_readiness_says(&tokend, "ready\n").await;
    tokend.stop().await;
}
