//! `tokend suspend`, `resume`, `suspensions`, `revoke-all` and `revocations`.

use tokend_simulator::{Simulator, SimulatorOptions};
use tokend_tests::definition;

use crate::home::{Home, Served};

const SHARED: &str = r#"{
  "integrationType": "simshared",
  "clientId": "simulated",
  "clientSecretFile": "secrets/simshared",
  "scopes": ["events.read"]
}
"#;

/// A server with a connected account.
async fn connected() -> (Simulator, Home, Served) {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let mut home = Home::new();
    let served = home.serve().await;
    let client = tokend_simulator::Client::new("simulated");
    simulator.register(client.clone());
    home.write("connectors/secrets/simshared", &client.secret);
    home.write("connectors/simshared.jsonc", SHARED);
    home.write(
        "connectors/simshared.toml",
        &definition(simulator.base_url()),
    );
    home.succeed(&["connectors", "push", "--yes"]).await;
    let grant = simulator.grant("simulated", "ada", &["events.read"]);
    let line = serde_json::json!({
        "connectorId": "simshared",
        "accessToken": grant.access_token,
        "refreshToken": grant.refresh_token,
    });
    home.write("grants.jsonl", &line.to_string());
    home.succeed(&["connections", "import", "grants.jsonl"])
        .await;
    (simulator, home, served)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stopped_gives_no_token_until_it_is_resumed() {
    let (_simulator, home, _served) = connected().await;
    home.succeed(&["get", "simshared"]).await;
    let stop = ["suspend", "type", "simshared", "--comment", "a leak"];
    let stopped = home.succeed(&stop).await;
    assert!(
        stopped.stdout.starts_with("type simshared: stopped"),
        "{}",
        stopped.stdout
    );
    assert!(!stopped.stderr.contains("warning"), "{}", stopped.stderr);
    let refused = home.run(&["get", "simshared"]).await;
    assert_eq!(refused.code, 77, "{}", refused.stderr);
    let listed = home.succeed(&["suspensions"]).await;
    assert!(listed.stdout.contains("a leak"), "{}", listed.stdout);
    let listed = home.succeed(&["suspensions", "--json"]).await.json();
    assert_eq!(listed["suspensions"][0]["subject"], "simshared");
    home.succeed(&["resume", "type", "simshared", "--json"])
        .await;
    home.succeed(&["get", "simshared"]).await;

    for (arguments, code) in [
        (&["resume", "workspace"][..], 66),
        (&["suspend", "caller"], 2),
        (&["suspend", "everything"], 2),
        (&["suspend", "type", "simshare"], 66),
    ] {
        let ran = home.run(arguments).await;
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stopped_and_resumed_what_and_why_is_on_record_and_a_misspelt_caller_is_told() {
    let mut home = Home::new();
    let _served = home.serve().await;
    let nobody = ["suspend", "caller", "biling", "--comment", "a stolen key"];
    let stopped = home.succeed(&nobody).await;
    let warning = "no caller of the name 'biling' is known";
    assert!(stopped.stderr.contains(warning), "{}", stopped.stderr);
    let resume = ["resume", "caller", "biling"];
    home.succeed(&resume).await;
    assert_eq!(home.run(&resume).await.code, 66);

    let list = ["audit", "list", "--action", "suspension", "--json"];
    let listed = home.succeed(&list).await.json();
    let listed = listed["events"].as_array().unwrap().iter();
    let told: Vec<_> = listed
        .map(|event| {
            let details = &event["details"];
            let texts = [&event["outcome"], &details["change"], &details["comment"]];
            texts.map(|text| text.as_str().unwrap_or_default().to_owned())
        })
        .collect();
    assert_eq!(
        told,
        [
            ["AUDIT_OUTCOME_SUCCEEDED", "resume", ""],
            ["AUDIT_OUTCOME_SUCCEEDED", "suspend", "a stolen key"],
        ]
    );
    // The database counts by the minute what did not succeed; the file has it at once.
    let file = std::fs::read_to_string(home.path("tokend-audit.jsonl")).unwrap();
    let unknown = file
        .lines()
        .find(|line| line.contains("SUSPENSION_NOT_FOUND"));
    let unknown = unknown.unwrap().to_uppercase();
    assert!(
        unknown.contains("FAILED") && !unknown.contains("DENIED"),
        "{unknown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_type_is_revoked_once_somebody_said_yes() {
    let (simulator, home, _served) = connected().await;
    let unasked = home.run(&["revoke-all", "simshared"]).await;
    assert_eq!(unasked.code, 2, "{}", unasked.stderr);
    for part in ["the 1 connection of integration type", "--yes"] {
        assert!(unasked.stderr.contains(part), "{}", unasked.stderr);
    }
    assert_eq!(simulator.ledger().live_grants().len(), 1);
    let wait = ["revoke-all", "simshared", "--yes", "--wait", "--json"];
    let done = home.succeed(&wait).await.json();
    assert_eq!(done["state"], "BULK_REVOCATION_STATE_DONE");
    assert_eq!(done["revokedCount"], "1");
    assert_eq!(simulator.ledger().live_grants().len(), 0);

    let id = done["bulkRevocationId"].as_str().unwrap();
    let shown = home.succeed(&["revocations", "show", id]).await;
    assert_eq!(shown.stdout.trim(), format!("{id}: done, 1 of 1 revoked"));
    let listed = home.succeed(&["revocations", "list"]).await;
    assert!(listed.stdout.contains(id), "{}", listed.stdout);
    let over = home.succeed(&["revocations", "cancel", id]).await;
    assert!(over.stdout.contains("done"), "{}", over.stdout);
    let unknown = home.run(&["revocations", "show", "bulk_0"]).await;
    assert_eq!(unknown.code, 66, "{}", unknown.stderr);
}
