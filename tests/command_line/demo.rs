//! `tokend demo`: one command, nothing else needed, and a token is vended and renewed.

use std::process::Stdio;

use tokend_api::v1;
use tokend_client::Client;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::home::{Home, Ran, signal};

#[tokio::test]
async fn two_demos_at_once_each_vend_and_renew() {
    let home = home();
    let (one, other) = tokio::join!(home.run(&["demo"]), home.run(&["demo"]));
    for Ran {
        code,
        stdout,
        stderr,
    } in [one, other]
    {
        assert_eq!(code, 0, "{stdout}{stderr}");
        for part in [
            "\"accessToken\": \"",
            "\"connectionConfig\": {",
            "\"subdomain\": \"acme\"",
            "generation 1 -> 2",
        ] {
            assert!(stdout.contains(part), "{part}: {stdout}");
        }
        let mut tokens: Vec<_> = stdout
            .lines()
            .filter(|line| line.contains("\"accessToken\""))
            .collect();
        tokens.dedup();
        assert_eq!(
            tokens.len(),
            3,
            "the shared one, the app user's and the renewed one: {stdout}"
        );
        assert_eq!(stderr, "");
    }
    assert_tidy(&home);
}

#[tokio::test]
async fn a_kept_demo_answers_until_it_is_interrupted() {
    let home = home();
    let mut child = home
        .command(&["demo", "--keep"])
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut endpoint = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(rest) = line.strip_prefix("tokend serves gRPC on ") {
            endpoint = format!("http://{}", rest.split(',').next().unwrap());
        }
        if line == "Ctrl-C ends it." {
            break;
        }
    }
    let client = Client::builder(endpoint).connect().await.unwrap();
    let get = v1::GetConnectionRequest {
        integration_type: "googlecalendar".to_owned(),
        ..Default::default()
    };
    let vended = client
        .connectors()
        .get_connection(get)
        .await
        .unwrap()
        .into_inner();
    assert!(vended.access_token.starts_with("at-") && vended.generation >= 2);

    signal(&child, "INT").await;
    // What follows on stdout is read, so that nothing waits for us.
    while lines.next_line().await.unwrap().is_some() {}
    assert!(child.wait().await.unwrap().success());
    assert_tidy(&home);
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_ends_it_without_a_word() {
    let mut child = Home::new().command(&["demo"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// A folder that is also where temporary files go.
fn home() -> Home {
    let mut home = Home::new();
    let folder = home.path("");
    home.set("TMPDIR", folder.to_str().unwrap());
    home
}

/// The key and the database are gone.
fn assert_tidy(home: &Home) {
    let left: Vec<_> = std::fs::read_dir(home.path("")).unwrap().collect();
    assert!(left.is_empty(), "the demonstration left {left:?}");
}
