//! Opening and migrating: by several at once, and what cannot be opened.

use tokend_model::{Secret, ports::Connections};
use tokend_storage::{ConnectError, Storage, StorageOptions};

use crate::{rig::Rig, sample::workspace};

cases!(
    several_migrate_an_empty_database_at_once,
    a_database_file_is_private,
);

async fn several_migrate_an_empty_database_at_once(rig: Rig) {
    for table in [
        "integration_overrides",
        "api_keys",
        "refresh_claims",
        "credentials",
        "connection_usage",
        "connection_tags",
        "orphans",
        "client_pauses",
        "connections",
        "authorizations",
        "connectors",
        "changes",
        "deployments",
        "audit_records",
        "audit_heads",
        "audit_anchors",
        "suspensions",
        "bulk_revocations",
        "seaql_migrations",
    ] {
        rig.execute(&format!("DROP TABLE {table}")).await;
    }
    assert!(!rig.storage.pending_migrations().await.unwrap().is_empty());
    let mut replicas = Vec::new();
    for _ in 0..3 {
        let storage = Storage::connect(rig.options.clone(), rig.keyring.clone());
        replicas.push(storage.await.unwrap());
    }
    let migrations = replicas.iter().map(Storage::migrate);
    for result in futures::future::join_all(migrations).await {
        result.unwrap();
    }
    assert!(rig.storage.pending_migrations().await.unwrap().is_empty());
    crate::sample::stored_connection(&rig.storage).await;
}

async fn a_database_file_is_private(rig: Rig) {
    if rig.is_postgres() {
        return;
    }
    let file = rig.file.unwrap();
    #[cfg(unix)]
    for end in ["", "-wal"] {
        use std::os::unix::fs::PermissionsExt;
        let path = format!("{}{end}", file.display());
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn urls_that_lead_nowhere_are_refused_without_repeating_them() {
    let keyring = |line: &str| std::sync::Arc::new(tokend_keyring::Keyring::parse(line).unwrap());
    let (_, line) = tokend_keyring::generate_key_line().unwrap();
    let password = uuid::Uuid::new_v4().to_string();
    let unknown = format!("mysql://root:{password}@localhost/x");
    let unreachable = format!("postgres://root:{password}@127.0.0.1:1/x");
    for url in [
        unknown,
        unreachable,
        "sqlite:/nonexistent/x?mode=rwc".to_owned(),
    ] {
        let options = StorageOptions::new(Secret::new(url));
        let shown = format!("{options:?}");
        let error = Storage::connect(options, keyring(line.expose()))
            .await
            .unwrap_err();
        assert!(
            !matches!(error, ConnectError::File(..))
                || error.to_string().contains("/nonexistent/x")
        );
        assert!(
            !format!("{error} {error:?} {shown}").contains(&password),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_database_without_its_tables_is_unavailable() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}?mode=rwc", directory.path().join("x").display());
    let (_, line) = tokend_keyring::generate_key_line().unwrap();
    let keyring = std::sync::Arc::new(tokend_keyring::Keyring::parse(line.expose()).unwrap());
    let storage = Storage::connect(StorageOptions::new(Secret::new(url)), keyring)
        .await
        .unwrap();
    // Nothing was migrated: no table answers.
    let id = tokend_model::ConnectionId::new("conn_1").unwrap();
    let read = Connections::get(&storage, &workspace(), &id).await;
    assert!(matches!(
        read,
        Err(tokend_model::ports::StorageError::Unavailable(_))
    ));
}
