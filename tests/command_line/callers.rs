//! `tokend callers`: API keys made, listed, rotated and removed, with no server running.

use serde_json::Value;

use crate::home::Home;

#[tokio::test]
async fn an_added_caller_is_printed_once_and_json_says_who_it_is() {
    let home = Home::new();
    home.succeed(&["keys", "generate"]).await;
    let ran = home
        .succeed(&[
            "callers",
            "add",
            "calendar",
            "--expires-in-days",
            "30",
            "--json",
        ])
        .await;
    let printed = ran.json();
    assert_eq!(
        (printed["caller"].as_str(), printed["workspace"].as_str()),
        (Some("calendar"), Some("default"))
    );
    assert!(printed["expireTime"].is_string());
    let key = printed["apiKey"].as_str().unwrap();
    assert!(key.contains(printed["keyId"].as_str().unwrap()));
    assert!(!ran.stderr.contains(key));
}

#[tokio::test]
async fn names_of_other_kinds_of_callers_are_65() {
    let home = with_keys().await;
    for name in [
        "spiffe://acme.example/billing",
        "ns/account",
        "iss#sub",
        "{x}",
        "a b",
        "",
        "system",
    ] {
        let ran = home.run(&["callers", "add", name]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (65, ""), "{name}: {ran:?}");
        assert!(ran.stderr.contains("name"), "{}", ran.stderr);
    }
    assert_eq!(list(&home).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_listing_shows_each_key_but_never_its_secret() {
    let home = with_keys().await;
    let billing = home.succeed(&["callers", "add", "billing"]).await.stdout;
    let operator = [
        "callers",
        "add",
        "ops",
        "--role",
        "operator",
        "--workspace",
        "acme",
    ];
    home.succeed(&operator).await;
    let ended = ["callers", "add", "early", "--expires-in-days", "0"];
    home.succeed(&ended).await;

    let keys = list(&home).await;
    let shown: Vec<_> = keys
        .iter()
        .map(|key| {
            ["caller", "workspace", "role", "status"].map(|name| key[name].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ["billing", "default", "backend", "ACTIVE"],
            ["early", "default", "backend", "EXPIRED"],
            ["ops", "acme", "operator", "ACTIVE"],
        ]
    );
    assert!(keys[0]["lastUsedTime"].is_null() && keys[0]["expireTime"].is_null());

    let table = home.succeed(&["callers", "list"]).await.stdout;
    let (id, secret) = billing
        .trim()
        .strip_prefix("tokend_")
        .unwrap()
        .split_once('_')
        .unwrap();
    let row = table
        .lines()
        .find(|line| line.starts_with("billing"))
        .unwrap();
    assert!(row.contains(id) && row.ends_with("ACTIVE"), "{table}");
    assert!(
        table.starts_with("CALLER") && !table.contains(secret),
        "{table}"
    );
}

#[tokio::test]
async fn a_rotation_makes_one_key_and_lets_the_others_end() {
    let home = with_keys().await;
    let add = ["callers", "add", "billing", "--json"];
    let endless = home.succeed(&add).await.json();
    let ending = home
        .succeed(&[&add[..], &["--expires-in-days", "1"]].concat())
        .await
        .json();

    let rotate = [
        "callers",
        "rotate",
        "billing",
        "--overlap-hours",
        "48",
        "--json",
    ];
    let rotated = home.succeed(&rotate).await.json();
    assert_ne!(rotated["apiKey"], endless["apiKey"]);
    assert!(rotated["apiKey"].as_str().unwrap().starts_with("tokend_"));

    let keys = list(&home).await;
    let key = |id: &Value| keys.iter().find(|key| key["keyId"] == *id).unwrap();
    assert_eq!(keys.len(), 3);
    // The one was to end sooner by itself, and still does.
    assert_eq!(key(&ending["keyId"])["expireTime"], ending["expireTime"]);
    assert!(key(&endless["keyId"])["expireTime"].is_string());
    // As long-lived as the newest of them.
    assert!(key(&rotated["keyId"])["expireTime"].is_string());

    let at_once = ["callers", "rotate", "billing", "--overlap-hours", "0"];
    let printed = home.succeed(&at_once).await;
    assert_eq!(printed.stdout.lines().count(), 1, "{printed:?}");
    let active = list(&home).await;
    let active: Vec<_> = active
        .iter()
        .filter(|key| key["status"] == "ACTIVE")
        .collect();
    assert_eq!(active.len(), 1);
    assert!(
        printed
            .stdout
            .contains(active[0]["keyId"].as_str().unwrap())
    );
}

#[tokio::test]
async fn who_is_meant_has_to_be_plain_and_a_name_is_one_callers() {
    let home = with_keys().await;
    let add = ["callers", "add", "billing", "--workspace", "east"];
    let first = home.succeed(&add).await;
    assert!(!first.stderr.contains("rotate"), "{}", first.stderr);
    let second = home.succeed(&add).await;
    let told = "billing has 2 keys now; 'tokend callers rotate billing'";
    assert!(second.stderr.contains(told), "{}", second.stderr);
    for (arguments, code, told) in [
        (&["rotate", "nobody"][..], 66, "nobody"),
        (&["remove", "nobody"], 66, "nobody"),
        (
            &["remove", "--key-id", "0123456789abcdef"],
            66,
            "0123456789abcdef",
        ),
        (&["add", "billing", "--workspace", "west"], 65, "taken"),
        (
            &[
                "add",
                "billing",
                "--workspace",
                "east",
                "--role",
                "operator",
            ],
            65,
            "taken",
        ),
        (&["rotate", "billing", "--workspace", "west"], 66, "billing"),
        (&["remove"], 2, "NAME"),
        (&["remove", "billing", "--key-id", "x"], 2, "--key-id"),
    ] {
        let ran = home.run(&[&["callers"], arguments].concat()).await;
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (code, ""),
            "{arguments:?}: {ran:?}"
        );
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(list(&home).await.len(), 2);
}

#[tokio::test]
async fn a_caller_is_removed_with_all_its_keys_or_one_of_them() {
    let home = with_keys().await;
    let add = ["callers", "add", "billing", "--json"];
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(
            home.succeed(&add).await.json()["keyId"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    home.succeed(&["callers", "add", "calendar"]).await;

    let removed = home
        .succeed(&["callers", "remove", "--key-id", &ids[0]])
        .await;
    assert_eq!(removed.stdout.trim(), ids[0]);
    assert_eq!(list(&home).await.len(), 3);
    let removed = home
        .succeed(&["callers", "remove", "billing", "--json"])
        .await
        .json();
    assert_eq!(removed["removed"].as_array().unwrap().len(), 2);
    let left = list(&home).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["caller"], "calendar");
}

async fn with_keys() -> Home {
    let home = Home::new();
    home.succeed(&["keys", "generate"]).await;
    home
}

async fn list(home: &Home) -> Vec<Value> {
    let listed = home.succeed(&["callers", "list", "--json"]).await.json();
    listed["keys"].as_array().unwrap().clone()
}
