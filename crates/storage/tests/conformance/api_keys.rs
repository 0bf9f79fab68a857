//! Callers' API keys.

use tokend_model::{
    Timestamp,
    ports::{ApiKeyRecord, ApiKeys, CallerRole, StorageError},
};

use crate::{
    rig::Rig,
    sample::{at, hash, workspace},
};

cases!(
    keys_come_back_and_ids_are_unique,
    a_key_in_place_of_others_comes_with_their_end,
    removed_keys_are_gone,
    the_last_use_is_kept,
    a_key_that_cannot_be_read_keeps_the_others_from_nothing,
);

async fn a_key_that_cannot_be_read_keeps_the_others_from_nothing(rig: Rig) {
    let keys = ["a", "b"].map(|id| key(id, CallerRole::Backend, None));
    for key in &keys {
        ApiKeys::insert(&rig.storage, key).await.unwrap();
    }
    let newer = "UPDATE api_keys SET role = 'AUDITOR' WHERE key_id = 'a'";
    sea_orm::ConnectionTrait::execute_unprepared(&rig.raw, newer)
        .await
        .unwrap();
    assert_eq!(ApiKeys::list(&rig.storage).await.unwrap(), keys[1..]);
}

async fn keys_come_back_and_ids_are_unique(rig: Rig) {
    let keys = vec![
        key("a", CallerRole::Backend, None),
        key("b", CallerRole::Operator, Some(at(9))),
    ];
    for key in &keys {
        ApiKeys::insert(&rig.storage, key).await.unwrap();
    }
    let again = ApiKeys::insert(&rig.storage, &keys[0]).await;
    assert!(matches!(again, Err(StorageError::Exists)), "{again:?}");
    assert_eq!(ApiKeys::list(&rig.storage).await.unwrap(), keys);
}

async fn a_key_in_place_of_others_comes_with_their_end(rig: Rig) {
    let backend = |id, expire_time| key(id, CallerRole::Backend, expire_time);
    let before = [
        backend("a", None),
        backend("b", Some(at(3))),
        backend("c", Some(at(30))),
        backend("other", None),
    ];
    for key in &before {
        ApiKeys::insert(&rig.storage, key).await.unwrap();
    }
    let replaced = ["a", "b", "c"].map(str::to_owned);
    let new = backend("new", None);
    ApiKeys::replace(&rig.storage, &new, &replaced, at(9))
        .await
        .unwrap();
    let ends = async || -> Vec<_> {
        let keys = ApiKeys::list(&rig.storage).await.unwrap();
        let ends = keys.into_iter().map(|key| (key.key_id, key.expire_time));
        ends.collect()
    };
    let expected = [
        ("a".to_owned(), Some(at(9))),
        ("b".to_owned(), Some(at(3))),
        ("c".to_owned(), Some(at(9))),
        ("new".to_owned(), None),
        ("other".to_owned(), None),
    ];
    assert_eq!(ends().await, expected);

    // All of it or nothing.
    let again = ApiKeys::replace(&rig.storage, &new, &replaced, at(1)).await;
    assert!(matches!(again, Err(StorageError::Exists)), "{again:?}");
    assert_eq!(ends().await, expected);
}

async fn removed_keys_are_gone(rig: Rig) {
    for id in ["a", "b", "c"] {
        let key = key(id, CallerRole::Backend, None);
        ApiKeys::insert(&rig.storage, &key).await.unwrap();
    }
    let ids = ["a", "c", "no such key"].map(str::to_owned);
    assert_eq!(ApiKeys::delete(&rig.storage, &ids).await.unwrap(), 2);
    let left = ApiKeys::list(&rig.storage).await.unwrap();
    let left: Vec<_> = left.iter().map(|key| key.key_id.as_str()).collect();
    assert_eq!(left, ["b"]);
}

async fn the_last_use_is_kept(rig: Rig) {
    for id in ["a", "b"] {
        let key = key(id, CallerRole::Backend, None);
        ApiKeys::insert(&rig.storage, &key).await.unwrap();
    }
    // Replicas write in any order, of keys that may be gone.
    for (id, second) in [("a", 5), ("a", 3), ("gone", 4)] {
        let uses = [(id.to_owned(), at(second))];
        ApiKeys::note_uses(&rig.storage, &uses).await.unwrap();
    }
    let keys = ApiKeys::list(&rig.storage).await.unwrap();
    let uses: Vec<_> = keys.iter().map(|key| key.last_used_time).collect();
    assert_eq!(uses, [Some(at(5)), None]);
}

fn key(id: &str, role: CallerRole, expire_time: Option<Timestamp>) -> ApiKeyRecord {
    ApiKeyRecord {
        key_id: id.to_owned(),
        secret_hash: hash(),
        workspace: workspace(),
        caller: "billing".to_owned(),
        role,
        create_time: at(0),
        expire_time,
        last_used_time: None,
    }
}
