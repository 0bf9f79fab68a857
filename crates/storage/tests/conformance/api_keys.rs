//! Callers' API keys.

use tokend_model::ports::{ApiKeyRecord, ApiKeys, CallerRole, StorageError};

use crate::{
    rig::Rig,
    sample::{at, hash, workspace},
};

cases!(keys_come_back_and_ids_are_unique);

async fn keys_come_back_and_ids_are_unique(rig: Rig) {
    let key = |id: &str, role, expire_time| ApiKeyRecord {
        key_id: id.to_owned(),
        secret_hash: hash(),
        workspace: workspace(),
        caller: "billing".to_owned(),
        role,
        create_time: at(0),
        expire_time,
    };
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
