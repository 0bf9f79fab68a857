//! Sealed values that somebody moved in the database do not open where they are now.

use std::sync::Arc;

use tokend_keyring::{Keyring, generate_key_line};
use tokend_model::{
    ConnectorChange, ConnectorKind, PendingCode,
    ports::{Authorizations, Connections, Connectors, StorageError},
};
use tokend_storage::Storage;

use crate::{
    rig::Rig,
    sample::{
        at, authorization, connector, hash, new_connection, secret, stored_connection,
        stored_connector, ticket_use, user, workspace,
    },
};

cases!(
    tokens_do_not_open_in_another_column_row_or_generation,
    client_secrets_do_not_open_in_another_row,
    code_and_verifier_do_not_open_in_each_others_place,
    what_cannot_be_read_can_be_erased_and_replaced,
    what_cannot_be_read_can_be_described,
);

fn is_corrupt<T: std::fmt::Debug>(result: Result<T, StorageError>) {
    assert!(
        matches!(result, Err(StorageError::Corrupt { .. })),
        "{result:?}"
    );
}

async fn tokens_do_not_open_in_another_column_row_or_generation(rig: Rig) {
    let first = stored_connection(&rig.storage).await;
    let second = new_connection(user("grace"));
    rig.storage.connect(&second, at(2)).await.unwrap();
    let sealed = "SELECT c.access_token FROM credentials c WHERE c.connection_id";
    let edits = [
        "access_token = refresh_token".to_owned(),
        "refresh_token = access_token".to_owned(),
        format!("access_token = ({sealed} = '{}')", second.id),
        "generation = 2".to_owned(),
    ];
    for edit in edits {
        let id = &first.id;
        let changed = format!("UPDATE credentials SET {edit} WHERE connection_id = '{id}'");
        assert_eq!(rig.execute(&changed).await, 1);
        // The rest of the forgery: the connection must point at the row.
        let points = format!(
            "UPDATE connections SET generation = (SELECT generation FROM credentials WHERE connection_id = '{id}') WHERE id = '{id}'"
        );
        assert_eq!(rig.execute(&points).await, 1);
        is_corrupt(Connections::get(&rig.storage, &workspace(), id).await);
        let again = new_connection(user("ada"));
        rig.storage.connect(&again, at(3)).await.unwrap();
        let read = Connections::get(&rig.storage, &workspace(), id).await;
        assert!(read.unwrap().unwrap().1.is_some());
        let reset = format!("DELETE FROM connections WHERE id = '{id}'");
        rig.execute(&reset).await;
        rig.storage.connect(&first, at(2)).await.unwrap();
    }
}

async fn client_secrets_do_not_open_in_another_row(rig: Rig) {
    let ids = ["a", "b", "c", "d"];
    let set = ids.map(|id| ConnectorChange::Create(connector(id, ConnectorKind::AppUser)));
    rig.storage
        .apply(&workspace(), &set, &[], at(0))
        .await
        .unwrap();
    let of_a =
        |column| format!("{column} = (SELECT s.{column} FROM connectors s WHERE s.id = 'a')");
    for (id, moved) in [
        ("b", of_a("client_secret")),
        ("c", of_a("other_client_secrets")),
        ("d", "other_client_secrets = client_secret".to_owned()),
    ] {
        let id = crate::sample::connector_id(id);
        let update = format!("UPDATE connectors SET {moved} WHERE id = '{id}'");
        assert_eq!(rig.execute(&update).await, 1);
        is_corrupt(Connectors::get(&rig.storage, &workspace(), &id).await);
    }
    let moved = "UPDATE connectors SET workspace = 'stranger' WHERE id = 'a'";
    assert_eq!(rig.execute(moved).await, 1);
    let (foreign, id) = (crate::sample::stranger(), crate::sample::connector_id("a"));
    is_corrupt(Connectors::get(&rig.storage, &foreign, &id).await);
}

async fn code_and_verifier_do_not_open_in_each_others_place(rig: Rig) {
    stored_connector(&rig.storage).await;
    for edit in ["code = pkce_verifier", "pkce_verifier = code"] {
        let attempt = authorization();
        let (storage, id) = (&rig.storage, &attempt.id);
        storage.insert(&attempt, &hash(), None).await.unwrap();
        storage
            .begin_consent(&workspace(), id, &ticket_use())
            .await
            .unwrap();
        let pending = PendingCode {
            code: secret(),
            completion_hash: hash(),
            connection_config: Default::default(),
        };
        storage
            .store_code(&workspace(), id, &pending)
            .await
            .unwrap();
        let changed = format!("UPDATE authorizations SET {edit} WHERE id = '{id}'");
        assert_eq!(rig.execute(&changed).await, 1);
        let token = &pending.completion_hash;
        is_corrupt(storage.begin_completion(&workspace(), id, token).await);
    }
}

async fn what_cannot_be_read_can_be_described(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let read = Connections::get(&rig.storage, &workspace(), &new.id).await;
    let (readable, _) = read.unwrap().unwrap();
    // The same database with another key: the old one is lost.
    let (_, line) = generate_key_line().unwrap();
    let keyring = Arc::new(Keyring::parse(line.expose()).unwrap());
    let storage = Storage::connect(rig.options.clone(), keyring)
        .await
        .unwrap();
    let (connector, owner, label) = (&new.connector_id, &new.owner, &new.label);
    assert_eq!(rig.storage.missing_key().await.unwrap(), None);
    let missing = storage.missing_key().await.unwrap();
    assert_eq!(missing.as_deref(), Some(rig.keyring.primary_key_id()));
    is_corrupt(Connections::get(&storage, &workspace(), &new.id).await);
    is_corrupt(
        storage
            .find(&workspace(), connector, owner, label, "")
            .await,
    );
    let described = storage.describe(&workspace(), &new.id).await;
    assert_eq!(described.unwrap().as_ref(), Some(&readable));
    let located = storage.locate(&workspace(), connector, owner, label).await;
    assert_eq!(located.unwrap().as_ref(), Some(&readable));
    let other = user("grace");
    let located = storage.locate(&workspace(), connector, &other, label).await;
    assert_eq!(located.unwrap(), None);
    let revoked = storage.revoke(&workspace(), &new.id, "BY_USER").await;
    assert_eq!(revoked.unwrap()[0].1, None);
    storage.connect(&new, at(3)).await.unwrap();
    let read = Connections::get(&storage, &workspace(), &new.id).await;
    assert!(read.unwrap().unwrap().1.is_some());
}

async fn what_cannot_be_read_can_be_erased_and_replaced(rig: Rig) {
    let first = stored_connection(&rig.storage).await;
    let spoil = "UPDATE credentials SET access_token = refresh_token";
    assert_eq!(rig.execute(spoil).await, 1);
    let mut again = new_connection(user("ada"));
    again.answer.refresh_token = None;
    again.keep_refresh_token = true;
    rig.storage.connect(&again, at(3)).await.unwrap();
    let read = Connections::get(&rig.storage, &workspace(), &first.id).await;
    let credential = read.unwrap().unwrap().1.unwrap();
    assert_eq!(credential.refresh_token, None);
    let spoil = "UPDATE credentials SET refresh_token = access_token";
    assert_eq!(rig.execute(spoil).await, 1);
    let last = rig.storage.delete(&workspace(), &first.id).await.unwrap();
    assert_eq!(last[0].1, None);
}
