//! `tokend migrate`: the tables are there afterwards, on both databases, and doing it again changes nothing.

use tokend_tests::databases;

use crate::home::{Home, Served};

#[tokio::test]
async fn a_server_that_may_not_migrate_starts_after_migrate_only() {
    for database in databases() {
        let mut home = Home::on(database).await;
        home.set("TOKEND_DATABASE__MIGRATE_ON_START", "false");
        home.succeed(&["keys", "generate"]).await;
        let too_early = home.run(&["serve"]).await;
        assert_eq!(too_early.code, 69, "{database:?}: {too_early:?}");
        assert!(
            too_early.stderr.contains("tokend migrate"),
            "{}",
            too_early.stderr
        );

        for _ in 0..2 {
            let ran = home.succeed(&["migrate"]).await;
            assert_eq!(ran.stdout, "");
        }
        let served = Served::start(&home).await;
        served.signal("TERM").await;
        assert_eq!(served.ended().await, 0, "{database:?}");
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_69_and_its_password_is_not_shown() {
    let mut home = Home::new();
    home.set(
        "TOKEND_DATABASE__URL",
        "postgres://tokend:canary@127.0.0.1:1/tokend",
    );
    home.set("TOKEND_DATABASE__ACQUIRE_TIMEOUT_SECONDS", "1");
    home.succeed(&["keys", "generate"]).await;
    for command in ["migrate", "serve"] {
        let ran = home.run(&[command]).await;
        assert_eq!(ran.code, 69, "{ran:?}");
        assert!(!ran.stderr.contains("canary"), "{}", ran.stderr);
    }
}
