//! What operators do with connections and users: figures, tags, clearing away, export and erasure.

use tokend_simulator::{Simulator, SimulatorOptions};
use tokend_tests::definition;

use crate::home::{Home, Served};

const USERS: &str = r#"{
  "integrationType": "simshared",
  "connectorId": "users",
  "kind": "app_user",
  "clientId": "simulated",
  "clientSecretFile": "secrets/simshared",
  "scopes": ["events.read"]
}
"#;

/// A server on which two users are connected; the first one's connection.
async fn with_two_users() -> (Simulator, Home, Served, String) {
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
    let lines: Vec<_> = ["ada", "bob"]
        .map(|user| {
            let grant = simulator.grant("simulated", user, &["events.read"]);
            serde_json::json!({
                "connectorId": "users",
                "appUserId": user,
                "accessToken": grant.access_token,
                "refreshToken": grant.refresh_token,
                "tags": { "team": "sales" },
            })
            .to_string()
        })
        .into();
    home.write("grants.jsonl", &lines.join("\n"));
    let ran = home
        .succeed(&["connections", "import", "grants.jsonl"])
        .await;
    let first = ran.stdout.lines().next().unwrap();
    let first = first.strip_prefix("line 1: ").unwrap().to_owned();
    (simulator, home, served, first)
}

#[tokio::test]
async fn figures_and_tags_are_at_hand() {
    let (_simulator, home, _served, ada) = with_two_users().await;
    let table = home.succeed(&["stats"]).await.stdout;
    for part in ["simshared", "AUTHORIZED 2", "CATEGORY", "developer"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let json = home.succeed(&["stats", "--json"]).await.json();
    assert_eq!(
        (&json["connectionCount"], &json["appUserCount"]),
        (&2.into(), &2.into())
    );

    let tagged = home
        .succeed(&["connections", "tag", &ada, "team=support", "tier="])
        .await;
    assert_eq!(tagged.stdout, "team=support\ntier=\n");
    for command in [&["describe", ada.as_str()][..], &["list"]] {
        let told = home.succeed(&[&["connections"], command].concat()).await;
        assert!(told.stdout.contains("team=support tier="), "{told:?}");
    }
    let hasty = home.run(&["connections", "tag", &ada]).await;
    assert!(
        hasty.code == 2 && hasty.stderr.contains("--clear"),
        "{hasty:?}"
    );
    for (arguments, expected) in [
        (&["--tag", "team=sales"][..], 1),
        (&["--tag", "team=support", "--tag", "tier="], 1),
        (&["--tag", "team=support", "--tag", "tier=gold"], 0),
        (&["--category", "developer"], 2),
        (&["--category", "calendar"], 0),
    ] {
        let list = [&["connections", "list", "--json"], arguments].concat();
        let listed = home.succeed(&list).await.json();
        let found = listed["connections"].as_array().unwrap().len();
        assert_eq!(found, expected, "{arguments:?}");
    }
    let wrong = home.run(&["connections", "tag", &ada, "team"]).await;
    assert!(
        wrong.code == 2 && wrong.stderr.contains("NAME=VALUE"),
        "{wrong:?}"
    );
    let reaped = home.succeed(&["connections", "reap", "--dry-run"]).await;
    assert!(
        reaped.stderr.contains("would remove 0 connections"),
        "{reaped:?}"
    );
    let short = home
        .run(&["connections", "reap", "--dead-for", "7", "--dry-run"])
        .await;
    assert_eq!(short.code, 65, "{short:?}");
}

#[tokio::test]
async fn a_user_is_exported_and_erased() {
    let (simulator, home, _served, ada) = with_two_users().await;
    let exported = home.succeed(&["users", "export", "ada"]).await.json();
    assert_eq!(exported["connections"][0]["connectionId"], ada.as_str());
    let hasty = home.run(&["users", "erase", "ada"]).await;
    assert!(
        hasty.code == 2 && hasty.stderr.contains("--yes"),
        "{hasty:?}"
    );
    let told = home.succeed(&["users", "erase", "ada", "--dry-run"]).await;
    assert!(
        told.stdout.contains(&ada) && told.stderr.contains("would erase 1"),
        "{told:?}"
    );
    assert_eq!(simulator.ledger().live_grants().len(), 2);
    let erased = home.succeed(&["users", "erase", "ada", "--yes"]).await;
    assert!(erased.stdout.contains("  revoked"), "{erased:?}");
    assert_eq!(simulator.ledger().live_grants().len(), 1);
    let again = home
        .succeed(&["users", "erase", "ada", "--yes", "--json"])
        .await
        .json();
    assert_eq!(again["erased"], true);
}

#[tokio::test]
async fn a_connection_is_renewed_and_revoked_by_hand() {
    let (simulator, home, _served, ada) = with_two_users().await;
    let renewed = home.succeed(&["connections", "refresh", &ada]).await.stdout;
    assert!(
        renewed.starts_with(&format!("{ada}: renewed, generation 2")),
        "{renewed}"
    );
    assert_eq!(simulator.ledger().refreshes(), 1);
    let revoked = home.succeed(&["connections", "revoke", &ada]).await.stdout;
    assert_eq!(
        revoked.trim(),
        format!("{ada}: revoked here; at the provider: revoked")
    );
    let again = home.succeed(&["connections", "revoke", &ada]).await.stdout;
    assert!(again.contains("nothing to revoke"), "{again}");
    let refused = home.run(&["connections", "refresh", &ada]).await;
    assert_ne!(refused.code, 0, "{refused:?}");
    let deleted = home.succeed(&["connections", "delete", &ada]).await.stdout;
    assert!(deleted.contains("deleted here"), "{deleted}");
    let gone = home.run(&["connections", "describe", &ada]).await;
    assert_eq!(gone.code, 66, "{gone:?}");
}

#[tokio::test]
async fn connectors_in_use_stand_in_the_way_of_pruning_and_are_named() {
    let (_simulator, home, _served, _ada) = with_two_users().await;
    home.write(
        "connectors/idle.jsonc",
        &USERS.replace("\"users\"", "\"idle\""),
    );
    home.succeed(&["connectors", "push", "--yes"]).await;
    for file in ["connectors/idle.jsonc", "connectors/users.jsonc"] {
        std::fs::remove_file(home.path(file)).unwrap();
    }
    let prune = ["connectors", "push", "--prune"];
    let planned = home.succeed(&[&prune[..], &["--dry-run"]].concat()).await;
    assert!(
        planned
            .stderr
            .contains("users: cannot be deleted while it has 2 connection(s)")
            && !planned.stderr.contains("idle"),
        "{planned:?}"
    );
    let refused = home.run(&[&prune[..], &["--yes"]].concat()).await;
    assert!(
        refused.code == 1
            && refused
                .stderr
                .contains("connector 'users' has 2 connection(s)")
            && refused.stderr.contains("tokend connections delete"),
        "{refused:?}"
    );
}
