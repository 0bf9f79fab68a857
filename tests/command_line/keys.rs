//! `tokend keys generate`: a file that only its owner may read, and that is never overwritten.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::home::Home;

#[tokio::test]
async fn a_key_file_is_its_owners_alone() {
    let home = Home::new();
    let ran = home.succeed(&["keys", "generate"]).await;
    let file = home.path("tokend.key");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = fs::read_to_string(&file).unwrap();
    let key_id = ran.stdout.trim();
    assert!(!key_id.is_empty() && text.contains(key_id), "{ran:?}");
    let key_line = text
        .lines()
        .find(|line| line.contains(key_id) && !line.starts_with('#'));
    let longest = key_line
        .unwrap()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .max_by_key(|word| word.len());
    let key = longest.unwrap();
    assert!(key.len() > key_id.len());
    assert!(
        !ran.stdout.contains(key) && !ran.stderr.contains(key),
        "the key was printed"
    );
}

#[tokio::test]
async fn an_existing_key_file_stays_as_it_is() {
    let home = Home::new();
    home.succeed(&["keys", "generate"]).await;
    let before = fs::read(home.path("tokend.key")).unwrap();
    let again = home.run(&["keys", "generate"]).await;
    assert_ne!(again.code, 0);
    assert_eq!(again.stdout, "");
    assert!(
        again.stderr.contains("tokend.key exists already"),
        "{}",
        again.stderr
    );
    assert_eq!(fs::read(home.path("tokend.key")).unwrap(), before);
}

#[tokio::test]
async fn json_names_the_key_and_its_file() {
    let home = Home::new();
    let ran = home
        .succeed(&["keys", "generate", "--file", "other.key", "--json"])
        .await;
    let printed = ran.json();
    assert_eq!(printed["file"], "other.key");
    let text = fs::read_to_string(home.path("other.key")).unwrap();
    assert!(text.contains(printed["keyId"].as_str().unwrap()));
    assert!(!home.path("tokend.key").exists());
}
