//! The canary search: after a run through everything, no secret is in any log, error, page, printed message or database.

mod connecting;
mod dump;
mod failing;
mod run;
mod search;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use tokend_tests::{captured_logs, databases};

use self::{run::Run, search::Search};

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_seen_anywhere() {
    for database in databases() {
        let mut run = Run::start(database).await;
        let user_token = run.user_token("ada");
        connecting::shared(&mut run).await;
        connecting::app_user(&mut run, &user_token).await;
        connecting::on_our_page(&mut run).await;
        connecting::operators_look_around(&mut run).await;
        failing::provider_that_repeats_what_it_was_sent(&mut run, &user_token).await;
        failing::completions(&mut run, &user_token).await;
        failing::callbacks(&mut run, &user_token).await;
        failing::callers_and_users(&mut run).await;
        failing::links(&mut run).await;
        connecting::left_open(&mut run, &user_token).await;
        let before = dump::dump(&run.tokend, database).await;
        connecting::disconnect(&mut run, &user_token).await;
        let after = dump::dump(&run.tokend, database).await;

        let secrets = run.secrets();
        assert!(secrets.len() > 60, "only {} secrets", secrets.len());
        let search = Search::new(&secrets);
        let logs = captured_logs();
        for (place, text) in [
            ("the logs", logs.as_bytes()),
            (
                "an error, a page or a message",
                run.shown.join("\n").as_bytes(),
            ),
            ("the database", &before),
            ("the database afterwards", &after),
        ] {
            assert_eq!(
                search.finds(text),
                [] as [String; 0],
                "{database:?}: {place}"
            );
        }
        // That there was something to search in, text and bytes.
        let ticket = secrets
            .iter()
            .rfind(|(name, _)| name == "a ticket")
            .unwrap();
        let hash = digest(&SHA256, ticket.1.as_bytes());
        for there in ["client-of-simshared", &URL_SAFE_NO_PAD.encode(hash)] {
            let search = Search::new(&[("it".to_owned(), there.to_owned())]);
            assert!(!search.finds(&before).is_empty(), "{database:?}: {there}");
        }
        assert!(logs.contains("the token endpoint gave no token"));
        assert!(run.shown.len() > 60, "only {} texts", run.shown.len());
        run.tokend.stop().await;
    }
}
