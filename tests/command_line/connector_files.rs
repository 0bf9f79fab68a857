//! `tokend connectors`: what is available, and pushing a folder of files; what is wrong in one is told with file and
//! line, and then nothing is changed.

use serde_json::{Value, json};
use tokend_simulator::{Simulator, SimulatorOptions};
use tokend_tests::definition;

use crate::home::Home;

const CONNECTOR: &str = r#"// Kept with the code: the secret is not in here.
{
  "clientId": "simulated", /* as registered */
  "clientSecretFile": "secrets/simshared",
  "scopes": [
    "events.read", // all we need
  ],
}
"#;

/// Files for a shared connector of a type of one's own, which speaks to the simulator.
pub(crate) fn write_connectors(home: &Home, simulator: &Simulator) {
    let client = tokend_simulator::Client::new("simulated");
    simulator.register(client.clone());
    home.write(
        "connectors/secrets/simshared",
        &format!("{}\n", client.secret),
    );
    home.write("connectors/simshared.jsonc", CONNECTOR);
    home.write(
        "connectors/simshared.toml",
        &definition(simulator.base_url()),
    );
    home.write("connectors/notes.md", "Not looked at.");
}

#[tokio::test]
async fn a_folder_is_pushed_once_planned_and_agreed_to() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let mut home = Home::new();
    let _served = home.serve().await;
    write_connectors(&home, &simulator);
    let before = state(&home).await;

    let planned = home.succeed(&["connectors", "push", "--dry-run"]).await;
    assert!(planned.stdout.contains("create"), "{}", planned.stdout);
    assert!(planned.stderr.contains("dry run"), "{}", planned.stderr);
    assert_eq!(state(&home).await, before, "a dry run changed something");

    // Nobody can be asked here.
    let unasked = home.run(&["connectors", "push"]).await;
    assert_eq!(unasked.code, 2, "{unasked:?}");
    assert_eq!(unasked.stdout, planned.stdout, "the plan is not shown");
    assert!(unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    assert_eq!(state(&home).await, before, "nobody agreed to that");

    let pushed = home.succeed(&["connectors", "push", "--yes"]).await;
    let row = pushed.stdout.lines().nth(1).unwrap();
    assert!(row.starts_with("create  simshared"), "{}", pushed.stdout);
    assert!(
        row.contains("/oauth/callback/default.simshared"),
        "{}",
        pushed.stdout
    );
    assert!(
        pushed.stderr.contains("tokend connect simshared"),
        "{}",
        pushed.stderr
    );

    assert_ne!(state(&home).await, before, "the push cannot be seen");
    // What changes nothing needs no yes.
    let again = home
        .succeed(&["connectors", "push", "connectors", "--json", "--no-connect"])
        .await;
    assert!(!again.stderr.contains("tokend connect"), "{}", again.stderr);
    let again = again.json();
    assert_eq!(again["changes"][0]["action"], "PLANNED_ACTION_UNCHANGED");
    assert_eq!(
        again["integrationTypes"][0]["action"],
        "PLANNED_ACTION_UNCHANGED"
    );
    let secret = std::fs::read_to_string(home.path("connectors/secrets/simshared")).unwrap();
    assert!(!again.to_string().contains(secret.trim()));
}

#[tokio::test]
async fn a_malformed_file_is_told_with_file_and_line_and_nothing_is_changed() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let mut home = Home::new();
    let _served = home.serve().await;
    // A file and a type that are right come first: they must not be taken alone.
    write_connectors(&home, &simulator);
    let before = state(&home).await;
    let cases = [
        (
            "syntax.jsonc",
            "{\n  \"clientId\": \"a\"\n  \"scopes\": []\n}",
            2,
            "comma",
        ),
        (
            "slack.json",
            "{\n  \"clientId\": \"a\",\n  \"scope\": []\n}",
            3,
            "did you mean 'scopes'?",
        ),
        (
            "slack.json",
            "{\n\n  \"clientId\": 7\n}",
            3,
            "must be a text",
        ),
        (
            "slack.json",
            "{\n  \"kind\": \"both\"\n}",
            2,
            "\"shared\" or \"app_user\"",
        ),
        (
            "slack.json",
            "{\n  \"clientSecret\": \"x\"\n}",
            2,
            "clientSecretFile",
        ),
        (
            "slack.json",
            "{\n  \"clientSecretFile\": \"none\"\n}",
            2,
            "connectors/none",
        ),
        (
            "slack.json",
            "{\n  \"kind\": \"app_user\"\n}",
            2,
            "connectorId",
        ),
        // These only the server can tell.
        (
            "slak.jsonc",
            "{\n  \"clientId\": \"a\"\n}",
            1,
            "did you mean 'slack'?",
        ),
        (
            "x.json",
            "{\n  \"clientId\": \"a\",\n  \"integrationType\": \"slak\"\n}",
            3,
            "did you mean 'slack'?",
        ),
        (
            "slack.json",
            "{\n  \"scopes\": [\"a\"],\n  \"clientId\": \"\"\n}",
            3,
            "clientId",
        ),
        ("slack.json", "{\n  \"scopes\": [\"a\"]\n}", 1, "clientId"),
        (
            "slack.json",
            "{\"clientId\": \"a\",\n  \"scopes\": [\"a b\"]\n}",
            2,
            "RFC 6749",
        ),
        (
            "slack.json",
            "{\"clientId\": \"a\",\n  \"returnUrls\": [\"ftp://a\"]\n}",
            2,
            "https",
        ),
        (
            "slack.json",
            "{\"clientId\": \"a\",\n  \"connectionConfig\": {\n\"b\": \"c\"}\n}",
            3,
            "connectionConfig.b",
        ),
    ];
    for (name, text, line, why) in cases {
        let file = format!("connectors/{name}");
        home.write(&file, text);
        let ran = home.run(&["connectors", "push", "--yes"]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (65, ""), "{text}: {ran:?}");
        let place = format!("tokend: {file}:{line}: ");
        assert!(ran.stderr.starts_with(&place), "{place}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{why}: {}", ran.stderr);
        std::fs::remove_file(home.path(&file)).unwrap();
        assert_eq!(state(&home).await, before, "{text} changed something");
    }
    home.succeed(&["connectors", "push", "--yes"]).await;
}

#[tokio::test]
async fn a_type_that_does_not_read_is_told_with_file_and_line() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let mut home = Home::new();
    let _served = home.serve().await;
    write_connectors(&home, &simulator);
    let before = state(&home).await;
    home.write("connectors/mine.toml", "[about]\ndisplay_nam = \"Mine\"\n");
    let ran = home.run(&["connectors", "push"]).await;
    assert_eq!(ran.code, 65, "{ran:?}");
    for part in ["connectors/mine.toml:2: ", "display_name"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert_eq!(state(&home).await, before);
}

#[tokio::test]
async fn a_type_of_a_built_in_s_name_is_said_to_replace_it() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let mut home = Home::new();
    let _served = home.serve().await;
    write_connectors(&home, &simulator);
    home.write("connectors/slack.toml", &definition(simulator.base_url()));
    let planned = home.succeed(&["connectors", "push", "--dry-run"]).await;
    let replacing: Vec<_> = planned
        .stdout
        .lines()
        .filter(|line| line.contains("replaces the built-in"))
        .collect();
    assert!(
        replacing.len() == 1 && replacing[0].contains("slack.toml"),
        "{}",
        planned.stdout
    );
}

#[tokio::test]
async fn an_empty_or_missing_folder_is_an_error() {
    let home = Home::new();
    let missing = home.run(&["connectors", "push"]).await;
    assert_eq!(missing.code, 65, "{missing:?}");
    assert!(
        missing.stderr.starts_with("tokend: connectors: "),
        "{}",
        missing.stderr
    );
    home.write("connectors/notes.md", "Nothing yet.");
    let empty = home.run(&["connectors", "push"]).await;
    assert_eq!(empty.code, 65, "{empty:?}");
    assert!(empty.stderr.contains("{type}.jsonc"), "{}", empty.stderr);
}

#[tokio::test]
async fn what_is_available_is_a_table_or_json() {
    let mut home = Home::new();
    let _served = home.serve().await;
    let table = home.succeed(&["connectors", "list-available"]).await.stdout;
    assert!(table.starts_with("TYPE  "), "{table}");
    let printed = home
        .succeed(&["connectors", "list-available", "--json"])
        .await
        .json();
    let keys: Vec<_> = printed.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["integrations"]);
    let types = printed["integrations"].as_array().unwrap();
    assert_eq!(table.lines().count(), types.len() + 1, "{table}");
    for name in [
        "googlecalendar",
        "github",
        "slack",
        "slackbot",
        "notion",
        "share_point",
    ] {
        assert!(
            types.iter().any(|row| row["integration_type"] == name),
            "{name}"
        );
        assert!(
            table
                .lines()
                .any(|line| line.starts_with(&format!("{name} "))),
            "{table}"
        );
    }
    let subdomain = types
        .iter()
        .find(|row| row["integration_type"] == "share_point")
        .map(|row| &row["connection_config_fields"][0])
        .unwrap();
    let mut keys: Vec<_> = subdomain.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "description",
            "display_name",
            "name",
            "placeholder",
            "required",
            "validation_error",
            "validation_pattern"
        ]
    );
    let all = home
        .succeed(&["connectors", "list-available", "--all", "--json"])
        .await
        .json();
    let has_unlisted = |rows: &Value| {
        let rows = rows["integrations"].as_array().unwrap();
        rows.iter().any(|row| row["integration_type"] == "stripe")
    };
    assert!(has_unlisted(&all) && !has_unlisted(&printed));
    // What only an operator sets is not asked for before connecting, and the fields of one type say so.
    let one = ["connectors", "list-available", "gitlab"];
    let shown = home.succeed(&one).await.stdout;
    assert!(shown.contains("on the connector only"), "{shown}");
    let one = home.succeed(&[&one[..], &["--json"]].concat()).await.json();
    let gitlab = &one["integrations"][0];
    assert_eq!(gitlab["integration_type"], "gitlab");
    assert_eq!(gitlab["connection_config_fields"], json!([]));
    let calendars = home
        .succeed(&["connectors", "list-available", "--category", "calendar"])
        .await;
    assert!(calendars.stdout.contains("googlecalendar") && !calendars.stdout.contains("slack"));
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let mut home = Home::new();
    let _served = home.serve().await;
    let mut child = home
        .command(&["connectors", "list-available", "--json"])
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// What a push would change: the types there are, and whether there is a connector.
async fn state(home: &Home) -> Value {
    let types = home
        .succeed(&["connectors", "list-available", "--all", "--json"])
        .await
        .json();
    let shared = home.run(&["get", "simshared"]).await;
    json!([types, shared.stderr])
}
