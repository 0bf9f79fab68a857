//! A workspace sees, and changes, nothing of another.

use tokend_model::{
    AuthorizationState, ConnectionFilter, ConnectorChange, PendingCode,
    ports::{
        Authorizations, Claim, ClaimOutcome, ClaimRequest, CommitOutcome, Connections, Connectors,
        Page, Refreshes,
    },
};

use crate::{
    attempts::{MINUTE, claimed, commit, fail, read, renewed, request},
    rig::Rig,
    sample::{at, authorization, hash, secret, stored_connection, stranger, ticket_use, workspace},
};

cases!(
    connectors_are_out_of_sight,
    connections_are_out_of_sight,
    claims_are_out_of_reach,
    authorizations_are_out_of_reach,
);

async fn connectors_are_out_of_sight(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let (id, storage) = (&new.connector_id, &rig.storage);
    let read = Connectors::get(storage, &stranger(), id).await;
    assert_eq!(read.unwrap(), None);
    let shared = storage.get_shared(&stranger(), &new.integration_type).await;
    assert_eq!(shared.unwrap(), None);
    let set = [ConnectorChange::Delete(id.clone())];
    assert!(storage.apply(&stranger(), &set, &[], at(0)).await.is_err());
    let read = Connectors::get(storage, &workspace(), id).await;
    assert!(read.unwrap().is_some());
    let mut foreign = new.clone();
    foreign.workspace = stranger();
    assert!(storage.connect(&foreign, at(3)).await.is_err());
}

async fn connections_are_out_of_sight(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let storage = &rig.storage;
    let read = Connections::get(storage, &stranger(), &new.id).await;
    assert_eq!(read.unwrap(), None);
    let found = storage
        .find(&stranger(), &new.connector_id, &new.owner, &new.label, "")
        .await;
    assert_eq!(found.unwrap(), None);
    let described = storage.describe(&stranger(), &new.id).await;
    assert_eq!(described.unwrap(), None);
    let located = storage
        .locate(&stranger(), &new.connector_id, &new.owner, &new.label)
        .await;
    assert_eq!(located.unwrap(), None);
    let page = Page {
        after: None,
        limit: 9,
    };
    let all = ConnectionFilter::default();
    let list = Connections::list(storage, &stranger(), &all, &page).await;
    assert!(list.unwrap().is_empty());
    assert_eq!(storage.delete(&stranger(), &new.id).await.unwrap(), []);
    let revoked = storage.revoke(&stranger(), &new.id, "").await;
    assert_eq!(revoked.unwrap(), []);
    let read = Connections::get(storage, &workspace(), &new.id).await;
    assert!(read.unwrap().unwrap().1.is_some());
}

async fn claims_are_out_of_reach(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let storage = &rig.storage;
    let strangers = ClaimRequest {
        workspace: stranger(),
        ..request(&new, 1)
    };
    let claim = storage.claim(&strangers).await;
    assert_eq!(claim.unwrap(), ClaimOutcome::Moved);
    let claim = claimed(&rig, &new, 1, MINUTE).await;
    let before = read(&rig, &new).await;
    let foreign = Claim {
        workspace: stranger(),
        ..claim.clone()
    };
    let outcome = commit(&rig, &foreign, &renewed()).await;
    assert_eq!(outcome, CommitOutcome::Gone);
    fail(&rig, &foreign).await;
    assert!(!storage.heartbeat(&foreign, None).await.unwrap());
    assert_eq!(read(&rig, &new).await, before);
    assert!(storage.heartbeat(&claim, None).await.unwrap());
    let outcome = commit(&rig, &claim, &renewed()).await;
    assert_eq!(outcome, CommitOutcome::Committed);
}

async fn authorizations_are_out_of_reach(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let (storage, attempt) = (&rig.storage, authorization());
    let id = &attempt.id;
    storage.insert(&attempt, &hash(), None).await.unwrap();
    let read = Authorizations::get(storage, &stranger(), id).await;
    assert_eq!(read.unwrap(), None);
    let consent = storage.begin_consent(&stranger(), id, &ticket_use()).await;
    assert!(!consent.unwrap());
    let consent = storage.begin_consent(&workspace(), id, &ticket_use()).await;
    assert!(consent.unwrap());
    let pending = PendingCode {
        code: secret(),
        completion_hash: hash(),
        connection_config: Default::default(),
    };
    let stored = storage.store_code(&stranger(), id, &pending).await;
    assert_eq!(stored.unwrap(), None);
    let stored = storage.store_code(&workspace(), id, &pending).await;
    assert_eq!(stored.unwrap(), Some(false));
    let token = &pending.completion_hash;
    let begun = storage.begin_completion(&stranger(), id, token).await;
    assert!(begun.unwrap().is_none());
    let failed = AuthorizationState::Failed;
    storage.advance(&stranger(), id, failed, "x").await.unwrap();
    let open = storage
        .find_open(
            &stranger(),
            &new.connector_id,
            &attempt.owner,
            &attempt.label,
            at(1),
        )
        .await;
    assert_eq!(open.unwrap(), None);
    let begun = storage.begin_completion(&workspace(), id, token).await;
    assert!(begun.unwrap().is_some());
}
