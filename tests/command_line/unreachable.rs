//! No server, no key, the wrong key: what a person is told, and the exit codes that scripts go by.

use std::net::TcpListener;

use crate::home::Home;

#[tokio::test]
async fn a_server_that_is_not_there_is_69_with_a_hint() {
    let mut home = Home::new();
    // Bound and let go of again: nobody listens there now.
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    home.set("TOKEND_ENDPOINT", &format!("http://{nobody}"));
    for command in [
        &["get", "slack"][..],
        &["connections", "list"],
        &["connectors", "list-available"],
    ] {
        let ran = home.run(command).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (69, ""), "{ran:?}");
        for part in [
            nobody.to_string().as_str(),
            "cannot be reached",
            "tokend serve",
            "--endpoint",
        ] {
            assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_is_no_url_says_so_and_does_not_ask_for_a_server() {
    let ran = Home::new()
        .run(&["get", "slack", "--endpoint", "localhost:50051"])
        .await;
    assert_eq!(ran.code, 65, "{ran:?}");
    assert!(ran.stderr.contains("http://"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("tokend serve"), "{}", ran.stderr);
}

#[tokio::test]
async fn who_has_no_key_or_the_wrong_one_is_77() {
    let mut home = Home::new();
    home.succeed(&["keys", "generate"]).await;
    let backend = home.succeed(&["callers", "add", "backend"]).await.stdout;
    home.write("backend.key", &backend);
    let _served = home.serve().await;
    let denied = home
        .run(&["connections", "list", "--api-key-file", "backend.key"])
        .await;
    assert_eq!(denied.code, 77, "{denied:?}");
    assert!(
        denied.stderr.contains("--role operator"),
        "{}",
        denied.stderr
    );

    // A key that never was: as long as a real one, so that only its secret half is wrong.
    let mut forged = backend.trim().to_owned();
    let last = if forged.ends_with('0') { '1' } else { '0' };
    forged.pop();
    forged.push(last);
    for key in ["", forged.as_str(), "nonsense"] {
        home.set("TOKEND_API_KEY", key);
        let ran = home.run(&["get", "slack"]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (77, ""), "{ran:?}");
        assert!(ran.stderr.contains("tokend callers add"), "{}", ran.stderr);
        assert!(
            key.is_empty() || !ran.stderr.contains(key),
            "the key was printed"
        );
    }
}
