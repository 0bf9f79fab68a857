//! `connections import` and `describe`: a file of grants from another system, and a look at what came of one.

use std::process::Stdio;

use serde_json::{Value, json};
use tokend_simulator::{IssuedTokens, Simulator, SimulatorOptions};
use tokend_tests::definition;
use tokio::io::AsyncWriteExt;

use crate::home::{Home, Ran, Served};

const USERS: &str = r#"{
  "integrationType": "simshared",
  "connectorId": "users",
  "kind": "app_user",
  "clientId": "simulated",
  "clientSecretFile": "secrets/simshared",
  "scopes": ["events.read"]
}
"#;

#[tokio::test]
async fn a_file_of_grants_is_imported_and_each_can_be_described() {
    let (simulator, home, _served) = with_connectors().await;
    // More than are on their way at once.
    let grants: Vec<_> = (0..40).map(|user| grant(&simulator, user)).collect();
    let lines: Vec<_> = grants
        .iter()
        .enumerate()
        .map(|(user, grant)| line(user, grant))
        .collect();
    home.write("grants.jsonl", &format!("\n{}\n", lines.join("\n")));

    let ran = home
        .succeed(&["connections", "import", "grants.jsonl"])
        .await;
    assert!(
        ran.stderr.starts_with("of 40 lines, 40 are imported,"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stdout.lines().count(), 40);
    // The file begins with an empty line.
    for (number, line) in ran.stdout.lines().enumerate() {
        let place = format!("line {}: conn_", number + 2);
        assert!(line.starts_with(&place), "{place}: {line}");
    }
    assert_eq!(simulator.ledger().refreshes(), 40);
    // Renewed since: what is in the file is spent, and importing it again must do no harm.
    home.succeed(&["connections", "import", "grants.jsonl"])
        .await;
    let ledger = simulator.ledger();
    assert_eq!(
        (
            ledger.refreshes(),
            ledger.reuses(),
            ledger.live_grants().len()
        ),
        (40, 0, 40)
    );

    let listed = home
        .succeed(&["connections", "list", "--user", "user-7", "--json"])
        .await
        .json();
    let id = listed["connections"][0]["connectionId"].as_str().unwrap();
    let described = home
        .succeed(&["connections", "describe", id, "--json"])
        .await;
    let json = described.json();
    assert_eq!(json["connection"]["account"]["id"], "user-7");
    let sources: Vec<_> = json["generations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kept| (&kept["generation"], &kept["source"]))
        .collect();
    let (refresh, import) = (
        json!("CREDENTIAL_SOURCE_REFRESH"),
        json!("CREDENTIAL_SOURCE_IMPORT"),
    );
    assert_eq!(sources, [(&json!(2), &refresh), (&json!(1), &import)]);
    let table = home.succeed(&["connections", "describe", id]).await;
    for part in [
        id,
        "user-7@example.com",
        "AUTHORIZED",
        "next renewal",
        "GENERATION",
        "IMPORT",
    ] {
        assert!(table.stdout.contains(part), "{part}: {}", table.stdout);
    }
    no_secret_in(&simulator, &[described, table]);

    let unknown = home.run(&["connections", "describe", "conn_0"]).await;
    assert_eq!(
        (unknown.code, unknown.stdout.as_str()),
        (66, ""),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn each_failing_line_is_told_with_its_reason_and_without_its_token() {
    let (simulator, home, _served) = with_connectors().await;
    let (good, dead) = (grant(&simulator, 0), grant(&simulator, 1));
    simulator.revoke_by_user("user-1");
    let refresh_token = good.refresh_token.clone().unwrap();
    let lines = [
        line(0, &good),
        format!("{{\"connectorId\": \"users\", \"refreshToken\": \"{refresh_token}"),
        json!({ "connectorId": "users", "refreshTokn": refresh_token }).to_string(),
        json!({ "connectorId": "users", "appUserId": "x", "expireTime": refresh_token })
            .to_string(),
        json!({ "connectorId": "users", "refreshToken": refresh_token }).to_string(),
        json!({ "connectorId": "elsewhere", "refreshToken": refresh_token }).to_string(),
        line(1, &dead),
    ]
    .join("\n");

    let ran = import_from_stdin(&home, &lines, &[]).await;
    assert_eq!(ran.code, 65, "{ran:?}");
    // Two connections are there: the last line's could not be renewed.
    assert_eq!(ran.stdout.matches("conn_").count(), 2, "{ran:?}");
    for part in [
        "line 2: it ends too early",
        "line 3: unknown field 'refreshTokn'; there are connectorId, appUserId,",
        "line 4: 'expireTime' must be a time",
        "line 5: app_user_id",
        "line 6: there is no connector 'elsewhere'",
        "line 7: stored as conn_",
        "tokend: of 7 lines, 1 are imported, 1 are stored but could not be renewed yet, 5 failed; the first that failed, line 2: it",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }

    let printed = import_from_stdin(&home, &line(1, &dead), &["--json"]).await;
    // What the provider refuses is no fault of the file.
    assert_eq!(printed.code, 1, "{printed:?}");
    let json: Value = printed.json();
    assert_eq!(json["imported"], 0);
    assert_eq!(json["failures"][0]["line"], 1);
    assert_eq!(json["failures"][0]["reason"], "REAUTHORIZATION_REQUIRED");
    let stored = json["failures"][0]["connectionId"].as_str().unwrap();
    assert!(stored.starts_with("conn_"), "{json}");
    let mut verified: Value = serde_json::from_str(&line(1, &dead)).unwrap();
    verified["verify"] = true.into();
    let refused = import_from_stdin(&home, &verified.to_string(), &["--json"]).await;
    assert_eq!(refused.json()["failures"][0]["line"], 1);
    no_secret_in(&simulator, &[ran, printed, refused]);

    let missing = home.run(&["connections", "import", "nowhere.jsonl"]).await;
    assert!(
        missing.code != 0 && missing.stderr.contains("nowhere.jsonl"),
        "{missing:?}"
    );
}

#[tokio::test]
async fn who_may_not_import_is_told_once() {
    let (simulator, mut home, _served) = with_connectors().await;
    let added = home.succeed(&["callers", "add", "backend"]).await;
    home.set("TOKEND_API_KEY", added.stdout.trim());
    let line = line(0, &grant(&simulator, 0));
    let ran = import_from_stdin(&home, &format!("{line}\n{line}\n"), &[]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (77, ""), "{ran:?}");
    assert!(!ran.stderr.contains("line "), "{}", ran.stderr);
}

/// A server with an app user connector on the simulator.
async fn with_connectors() -> (Simulator, Home, Served) {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let mut home = Home::new();
    let served = home.serve().await;
    let client = tokend_simulator::Client::new("simulated");
    simulator.register(client.clone());
    home.write("connectors/secrets/simshared", &client.secret);
    home.write("connectors/users.jsonc", USERS);
    home.write(
        "connectors/simshared.toml",
        &definition(simulator.base_url()),
    );
    home.succeed(&["connectors", "push", "--yes"]).await;
    (simulator, home, served)
}

fn grant(simulator: &Simulator, user: usize) -> IssuedTokens {
    simulator.grant("simulated", &format!("user-{user}"), &["events.read"])
}

fn line(user: usize, grant: &IssuedTokens) -> String {
    json!({
        "connectorId": "users",
        "appUserId": format!("user-{user}"),
        "refreshToken": grant.refresh_token,
    })
    .to_string()
}

async fn import_from_stdin(home: &Home, lines: &str, more: &[&str]) -> Ran {
    let arguments = [&["connections", "import", "-"], more].concat();
    let mut child = home
        .command(&arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines.as_bytes()).await.unwrap();
    drop(stdin);
    Ran::of(child.wait_with_output().await.unwrap())
}

fn no_secret_in(simulator: &Simulator, all: &[Ran]) {
    for secret in simulator.ledger().secrets_issued() {
        for ran in all {
            assert!(!ran.stdout.contains(&secret) && !ran.stderr.contains(&secret));
        }
    }
}
