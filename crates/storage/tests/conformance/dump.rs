//! A stolen copy of the database holds no secret, however it is looked at.

use std::time::Duration;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use sea_orm::{ConnectionTrait, Statement};
use tokend_model::{
    PendingCode, Secret,
    ports::{Authorizations, CommitOutcome, Connections},
};

use crate::{
    attempts::{MINUTE, claimed, commit, renewed},
    rig::Rig,
    sample::{
        at, authorization, hash, new_connection, secret, stored_connector, ticket_use, user,
        workspace,
    },
};

cases!(a_dump_holds_no_secret);

async fn a_dump_holds_no_secret(rig: Rig) {
    let secrets = store_secrets(&rig).await;
    let dump = if rig.is_postgres() {
        postgres_dump(&rig).await
    } else {
        sqlite_dump(&rig)
    };
    // That the search finds what is there.
    assert!(contains(&dump, b"client-id-in-the-clear"));
    assert!(contains(&dump, b"ada@example.test"));
    assert!(contains(&dump, b"tokend.test/oauth/callback"));
    assert_eq!(secrets.len(), 10);
    for secret in &secrets {
        for form in forms(secret.expose()) {
            assert!(!contains(&dump, form.as_bytes()), "a secret is in the dump");
        }
    }
}

/// One secret of each kind in every place that takes one.
async fn store_secrets(rig: &Rig) -> Vec<Secret> {
    let storage = &rig.storage;
    let connector = stored_connector(storage).await;
    let new = new_connection(user("ada"));
    storage.connect(&new, at(2)).await.unwrap();
    let late = claimed(rig, &new, 1, Duration::ZERO).await;
    let next = claimed(rig, &new, 1, MINUTE).await;
    let (orphaned, committed) = (renewed(), renewed());
    let outcome = commit(rig, &late, &orphaned).await;
    assert_eq!(outcome, CommitOutcome::Orphaned);
    let outcome = commit(rig, &next, &committed).await;
    assert_eq!(outcome, CommitOutcome::Committed);
    let (orphaned, committed) = (orphaned.credential, committed.credential);
    let (attempt, ticket_use) = (authorization(), ticket_use());
    let pending = PendingCode {
        code: secret(),
        completion_hash: hash(),
        connection_config: Default::default(),
    };
    storage.insert(&attempt, &hash(), None).await.unwrap();
    storage
        .begin_consent(&workspace(), &attempt.id, &ticket_use)
        .await
        .unwrap();
    storage
        .store_code(&workspace(), &attempt.id, &pending)
        .await
        .unwrap();
    [
        connector.client_secret,
        connector.other_client_secrets.into_iter().next(),
        Some(new.answer.access_token),
        new.answer.refresh_token,
        Some(committed.access_token),
        committed.refresh_token,
        Some(orphaned.access_token),
        orphaned.refresh_token,
        Some(ticket_use.pkce_verifier),
        Some(pending.code),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The secret as it is, and as encodings may have hidden it: base64 at each of the three alignments, hexadecimal,
/// and percent-encoded.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![
        secret.to_owned(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ];
    for skipped in 0..3 {
        let whole = (secret.len() - skipped) / 3 * 3;
        let part = &secret[skipped..skipped + whole];
        forms.push(STANDARD_NO_PAD.encode(part));
        forms.push(URL_SAFE_NO_PAD.encode(part));
    }
    forms
}

fn sqlite_dump(rig: &Rig) -> Vec<u8> {
    let file = rig.file.as_ref().unwrap();
    let mut dump = std::fs::read(file).unwrap();
    dump.extend(std::fs::read(format!("{}-wal", file.display())).unwrap());
    dump
}

/// Every column of every table; bytes both as they are and as hexadecimal.
async fn postgres_dump(rig: &Rig) -> Vec<u8> {
    let backend = rig.raw.get_database_backend();
    let query = async |sql: String| {
        let rows = rig.raw.query_all_raw(Statement::from_string(backend, sql));
        rows.await.unwrap()
    };
    let columns = "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns WHERE table_schema = 'public'";
    let mut dump = Vec::new();
    for column in query(columns.to_owned()).await {
        let [table, name, kind] =
            [0, 1, 2].map(|at| column.try_get_by_index::<String>(at).unwrap());
        let mut views = vec![format!("\"{name}\"::text")];
        if kind == "bytea" {
            views.push(format!("encode(\"{name}\", 'escape')"));
        }
        for view in views {
            for row in query(format!("SELECT {view} FROM \"{table}\"")).await {
                let text: Option<String> = row.try_get_by_index(0).unwrap();
                dump.extend(text.unwrap_or_default().into_bytes());
                dump.push(b'\n');
            }
        }
    }
    dump
}

fn contains(dump: &[u8], text: &[u8]) -> bool {
    dump.windows(text.len()).any(|window| window == text)
}
