//! Use counts: gathered in memory, written before the end.

use std::time::SystemTime;

use tokend_tests::{Options, Tokend, databases};

use crate::answers::{now, only_connection};

#[tokio::test(flavor = "multi_thread")]
async fn uses_are_counted_over_a_restart() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend.connect_shared().await;
        let before = now();
        for _ in 0..40 {
            tokend.get().await.unwrap();
        }
        let tokend = tokend.restart().await;

        let connection = only_connection(&tokend).await;
        assert_eq!(connection.use_count, 40, "{database:?}");
        let last_use = SystemTime::try_from(connection.last_use_time.unwrap()).unwrap();
        assert!(last_use + std::time::Duration::from_millis(1) >= before);
        assert!(last_use <= now());

        tokend.get().await.unwrap();
        let tokend = tokend.restart().await;
        assert_eq!(only_connection(&tokend).await.use_count, 41);
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_that_hands_nothing_out_is_no_use() {
    let tokend = Tokend::start(Options::default()).await;
    tokend.connect_shared().await;
    let wanting = tokend_api::v1::GetConnectionRequest {
        scopes: vec!["not.granted".to_owned()],
        ..Default::default()
    };
    tokend.get_with(wanting).await.unwrap_err();
    let tokend = tokend.restart().await;
    let connection = only_connection(&tokend).await;
    assert_eq!((connection.use_count, connection.last_use_time), (0, None));
    tokend.stop().await;
}
