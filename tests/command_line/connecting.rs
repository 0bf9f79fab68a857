//! `connect`, `get`, `connections list`: from a folder of files to a token.

use tokend_simulator::{Browser, Consent, Simulator, SimulatorOptions};
use tokend_tests::TwoTokens;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};

use crate::{connector_files::write_connectors, home::Home, home::Ran};

#[tokio::test]
async fn an_account_is_connected_and_its_token_printed_alone() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let mut home = Home::new();
    let _served = home.serve().await;
    write_connectors(&home, &simulator);
    home.succeed(&["connectors", "push", "--yes"]).await;

    let early = home.run(&["get", "simshared"]).await;
    assert_eq!((early.code, early.stdout.as_str()), (1, ""), "{early:?}");
    assert!(early.stderr.contains("tokend connect"), "{}", early.stderr);

    let connected = connect(&home, &["connect", "simshared", "--no-browser"]).await;
    assert_eq!(connected.code, 0, "{connected:?}");
    assert!(connected.stdout.contains("conn_"), "{}", connected.stdout);

    let got = home.succeed(&["get", "simshared"]).await;
    let token = got.stdout.trim_end();
    assert_eq!(got.stdout, format!("{token}\n"), "the token is not alone");
    assert!(simulator.ledger().is_access_token_live(token));
    assert!(
        got.stderr.contains("generation 1") && !got.stderr.contains(token),
        "{}",
        got.stderr
    );

    let printed = home.succeed(&["get", "simshared", "--json"]).await.json();
    assert_eq!(printed["accessToken"], token);
    assert!(printed["connectionConfig"].is_object(), "{printed}");
    assert_eq!(printed["generation"], 1);

    let missing = home
        .run(&["get", "simshared", "--scope", "events.write"])
        .await;
    assert_eq!(
        (missing.code, missing.stdout.as_str()),
        (1, ""),
        "{missing:?}"
    );
    assert!(
        missing.stderr.contains("SCOPE_NOT_GRANTED"),
        "{}",
        missing.stderr
    );

    for list in [
        &["connections", "list"][..],
        &["connections", "list", "--json"],
    ] {
        let listed = home.succeed(list).await.stdout;
        assert!(
            listed.contains("simshared") && listed.contains("AUTHORIZED"),
            "{listed}"
        );
        for secret in simulator.ledger().secrets_issued() {
            assert!(!listed.contains(&secret), "a secret is listed");
        }
    }
    let nobodys = home
        .succeed(&["connections", "list", "--user", "nobody", "--json"])
        .await
        .json();
    assert_eq!(nobodys["connections"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_refused_consent_is_an_error_and_json_a_connection() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let mut home = Home::new();
    let _served = home.serve().await;
    write_connectors(&home, &simulator);
    home.succeed(&["connectors", "push", "--yes"]).await;

    simulator.change(|behaviour| behaviour.consent = Consent::Denied);
    let denied = connect(&home, &["connect", "simshared", "--no-browser"]).await;
    assert_eq!((denied.code, denied.stdout.as_str()), (1, ""), "{denied:?}");
    assert!(denied.stderr.contains("denied"), "{}", denied.stderr);

    simulator.change(|behaviour| behaviour.consent = Consent::Granted);
    let connected = connect(&home, &["connect", "simshared", "--no-browser", "--json"]).await;
    let printed = connected.json();
    assert_eq!(printed["status"], "CONNECTION_STATUS_AUTHORIZED");
    let used = home
        .succeed(&["connections", "list", "--connector", "simshared", "--json"])
        .await
        .json();
    assert_eq!(
        used["connections"][0]["connectionId"],
        printed["connectionId"]
    );
}

#[tokio::test]
async fn a_second_token_is_got_by_its_name() {
    let (provider, mut home) = (TwoTokens::start().await, Home::new());
    let _served = home.serve().await;
    home.write("connectors/secrets/duo", "a secret of no worth");
    home.write("connectors/duo.toml", &provider.definition());
    let connector = |scopes: &str| {
        format!(
            "{{\"clientId\": \"duo\", \"clientSecretFile\": \"secrets/duo\", \"scopes\": {scopes}}}"
        )
    };
    home.write("connectors/duo.jsonc", &connector("[\"chat\"]"));
    home.succeed(&["connectors", "push", "--yes"]).await;
    connect(&home, &["connect", "duo", "--no-browser"]).await;
    let early = home.run(&["get", "duo", "--token", "user"]).await;
    assert_eq!((early.code, early.stdout.as_str()), (1, ""), "{early:?}");
    assert!(early.stderr.contains("SCOPE_NOT_GRANTED"), "{early:?}");
    let table = home.succeed(&["connections", "list"]).await.stdout;
    assert!(!table.contains("TOKEN"), "{table}");

    let both = connector("[\"chat\", \"user:search\"]");
    home.write("connectors/duo.jsonc", &both);
    home.succeed(&["connectors", "push", "--yes"]).await;
    let again = ["connect", "duo", "--no-browser"];
    let connected = connect(&home, &again).await;
    assert_eq!(connected.code, 0, "{connected:?}");
    let main = home.succeed(&["get", "duo"]).await.stdout;
    let user = home.succeed(&["get", "duo", "--token", "user"]).await;
    assert!(!user.stdout.trim().is_empty());
    assert_ne!(user.stdout, main);
    let table = home.succeed(&["connections", "list"]).await.stdout;
    assert!(table.contains("TOKEN") && table.contains("user"), "{table}");
}

#[tokio::test]
async fn what_cannot_be_connected_says_so() {
    let mut home = Home::new();
    let _served = home.serve().await;
    let unknown = home.run(&["connect", "slak", "--no-browser"]).await;
    assert_eq!(unknown.code, 66, "{unknown:?}");
    assert!(
        unknown.stderr.contains("did you mean 'slack'?"),
        "{}",
        unknown.stderr
    );
    let without = home.run(&["connect", "slack", "--no-browser"]).await;
    assert_eq!(without.code, 66, "{without:?}");
    assert!(
        without.stderr.contains("tokend connectors push"),
        "{}",
        without.stderr
    );
    let malformed = home.run(&["connect", "slack", "--set", "subdomain"]).await;
    assert_eq!(malformed.code, 2, "{malformed:?}");
}

/// Runs `connect` and opens the page that it prints, as its user would.
async fn connect(home: &Home, arguments: &[&str]) -> Ran {
    let mut child = home.command(arguments).spawn().unwrap();
    let printed = open_printed_page(&mut child).await;
    let output = child.wait_with_output().await.unwrap();
    let mut ran = Ran::of(output);
    ran.stderr = printed + &ran.stderr;
    ran
}

/// Reads stderr to its end; the page is opened when it is named.
async fn open_printed_page(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut printed = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(url) = line.trim().strip_prefix("http") {
            let page = Browser::new()
                .unwrap()
                .consent(&format!("http{url}"))
                .await
                .unwrap();
            assert!(page.status < 500, "{page:?}");
        }
        printed.push_str(&line);
        printed.push('\n');
    }
    printed
}
