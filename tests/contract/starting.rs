//! Starting: what cannot work is refused at once, with what to do.

use std::fs;

use tokend_server::{Callers, Server, generate_key_file};
use tokend_tests::{Options, Tokend, databases};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_that_belongs_to_another_database_is_refused() {
    for database in databases() {
        let options = Options {
            database,
            ..Options::default()
        };
        let tokend = Tokend::start(options).await;
        tokend.connect_shared().await;
        let config = tokend.config.clone();
        // Whatever is needed to start again stays until the end.
        let (_simulator, _home) = tokend.stop().await;
        let kept = fs::read(&config.keys.file).unwrap();
        fs::remove_file(&config.keys.file).unwrap();
        generate_key_file(&config.keys.file).unwrap();

        let refused = Server::start(&config, Callers::ApiKeys)
            .await
            .err()
            .unwrap();
        let text = refused.to_string();
        assert!(
            text.contains("was sealed with the key"),
            "{database:?}: {text}"
        );
        assert!(text.contains("tokend.key"), "{text}");

        fs::write(&config.keys.file, kept).unwrap();
        Server::start(&config, Callers::ApiKeys)
            .await
            .unwrap()
            .stop()
            .await;
    }
}
