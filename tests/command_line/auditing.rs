//! `tokend audit`: what was done, and whether the trail is as it was written.

use std::fs;

use crate::home::Home;

#[tokio::test]
async fn the_trail_is_listed_and_checked() {
    let mut home = Home::new();
    let served = home.serve().await;
    home.write(
        "types/own.toml",
        &tokend_tests::definition("http://127.0.0.1:9"),
    );
    let listed = home.run(&["connections", "describe", "nonsense"]).await;
    assert_ne!(listed.code, 0);
    let table = home.succeed(&["audit", "list"]).await.stdout;
    assert!(table.starts_with("SEQUENCE"), "{table}");
    // The list itself is an act.
    let json = home
        .succeed(&["audit", "list", "--action", "audit-read", "--json"])
        .await
        .json();
    let event = &json["events"][0];
    assert_eq!(event["action"], "AUDIT_ACTION_AUDIT_READ");
    assert_eq!(event["caller"], "ops");
    assert_eq!(home.run(&["audit", "list", "--action", "x"]).await.code, 2);
    served.signal("TERM").await;
    assert_eq!(served.ended().await, 0);

    let told = home.succeed(&["audit", "verify"]).await.stdout;
    assert!(told.contains("as they were written"), "{told}");
    home.succeed(&["audit", "verify", "--database"]).await;
    let file = home.path("tokend-audit.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"ops\"", "\"eve\"")).unwrap();
    let ran = home.run(&["audit", "verify", "--json"]).await;
    assert_eq!(ran.code, 65, "{ran:?}");
    let findings = ran.json()["findings"].as_array().unwrap().len();
    assert!(findings > 0, "{ran:?}");
    // Without its end it is whole, except to the database.
    let cut = text.lines().next().unwrap();
    fs::write(&file, format!("{cut}\n")).unwrap();
    let ran = home.run(&["audit", "verify"]).await;
    assert_eq!(ran.code, 65, "{ran:?}");
    assert!(ran.stdout.contains("cut off"), "{ran:?}");
    home.succeed(&["audit", "verify", "--offline"]).await;
}
