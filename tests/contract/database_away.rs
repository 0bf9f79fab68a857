//! The database away: what is in memory is still vended, and all is well when it comes back.

use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};
use tokend_api::v1;
use tokend_tests::{Database, Options, Tokend, databases};
use tonic::Code;
use url::Url;

use crate::answers::{eventually, good_for, refused, retry_delay, until_less_is_left, warnings};

#[tokio::test(flavor = "multi_thread")]
async fn valid_tokens_are_vended_without_the_database() {
    if !databases().contains(&Database::Postgres) {
        return;
    }
    let tokend = Tokend::start(Options {
        database: Database::Postgres,
        configure: |config| config.database.acquire_timeout_seconds = 1,
        ..Options::default()
    })
    .await;
    tokend.connect_shared().await;
    tokend.connect_user("ada").await;
    tokend.connect_user("grace").await;
    let (ada, grace) = (tokend.user_token("ada"), tokend.user_token("grace"));
    tokend.get().await.unwrap();
    tokend.get_for(&ada).await.unwrap();

    let mut outage = Outage::begin(&tokend.config.database.url).await;
    for _ in 0..100 {
        assert_eq!(tokend.get().await.unwrap().generation, 1);
        assert_eq!(tokend.get_for(&ada).await.unwrap().generation, 1);
    }
    // Nobody asked for hers yet, so it is not in memory.
    let answer = tokend.get_for(&grace).await;
    let status = refused(answer, Code::Unavailable, "STORAGE_UNAVAILABLE");
    assert!(
        retry_delay(&status).is_some_and(|delay| !delay.is_zero()),
        "{status:?}"
    );
    assert_eq!(status.message(), "the database is unavailable");
    let probe = format!("{}/readyz", tokend.operations_url());
    assert_eq!(
        reqwest::get(probe).await.unwrap().status(),
        200,
        "what is in memory can be had"
    );

    outage.end().await;
    let hers = eventually("the database is found again", async || {
        tokend.get_for(&grace).await.ok()
    });
    assert_eq!(hers.await.generation, 1);
    assert_eq!(tokend.get().await.unwrap().generation, 1);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_token_that_is_too_short_is_better_than_none() {
    if !databases().contains(&Database::Postgres) {
        return;
    }
    let tokend = Tokend::start(Options {
        database: Database::Postgres,
        configure: |config| config.database.acquire_timeout_seconds = 1,
        ..Options::default()
    })
    .await;
    let lifetime = Some(Duration::from_secs(20));
    tokend
        .simulator
        .change(|b| b.access_token_lifetime = lifetime);
    tokend.connect_shared().await;
    let first = tokend.get().await.unwrap();
    until_less_is_left(first.expire_time, Duration::from_secs(18)).await;

    let mut outage = Outage::begin(&tokend.config.database.url).await;
    let vended = tokend.get_with(good_for(18)).await.unwrap();
    assert_eq!(vended.access_token, first.access_token);
    assert_eq!(warnings(&vended), [v1::WarningCode::RenewalFailing]);
    outage.end().await;
    tokend.stop().await;
}

/// A database that lets nobody in, while the server it is on goes on.
struct Outage {
    admin: PgConnection,
    database: String,
}

impl Outage {
    async fn begin(url: &str) -> Self {
        let database = Url::parse(url)
            .unwrap()
            .path()
            .trim_start_matches('/')
            .to_owned();
        let admin_url = std::env::var("TOKEND_TEST_POSTGRES_URL").unwrap();
        let admin = PgConnection::connect(&admin_url).await.unwrap();
        let mut outage = Self { admin, database };
        outage.allow_connections(false).await;
        let sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        sqlx::query(sessions)
            .bind(&outage.database)
            .execute(&mut outage.admin)
            .await
            .unwrap();
        outage
    }

    async fn end(&mut self) {
        self.allow_connections(true).await;
    }

    async fn allow_connections(&mut self, allowed: bool) {
        let Self { admin, database } = self;
        let statement = format!("ALTER DATABASE {database} ALLOW_CONNECTIONS {allowed}");
        admin
            .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(statement)))
            .await
            .unwrap();
    }
}
