//! Connectors: what is written is read, and a set of changes is carried out whole or not at all.

use tokend_model::{
    ConnectorChange::{Create, Delete, Update},
    ConnectorKind,
    ports::{Connections, Connectors, IntegrationOverrides, Page, StorageError},
};

use crate::{
    rig::Rig,
    sample::{
        at, connector, connector_id, new_connection, secret, service, stored_connection,
        stored_connector, stranger, user, workspace,
    },
};

cases!(
    what_is_written_is_read,
    pages_follow_the_ids,
    an_update_needs_the_version_that_was_read,
    a_set_is_applied_whole_or_not_at_all,
    one_shared_connector_a_type,
    a_connector_in_use_is_not_deleted,
    connecting_and_deleting_exclude_each_other,
    integration_types_are_stored_with_the_connectors_or_not_at_all,
    concurrent_updates_have_one_winner,
);

async fn what_is_written_is_read(rig: Rig) {
    let shared = connector("a", ConnectorKind::Shared);
    let mut public = connector("b", ConnectorKind::AppUser);
    public.client_secret = None;
    public.other_client_secrets.clear();
    public.account_change = tokend_model::AccountChange::Refuse;
    public.disabled = true;
    let changes = [Create(shared.clone()), Create(public.clone())];
    rig.storage
        .apply(&workspace(), &changes, &[], at(0))
        .await
        .unwrap();
    for connector in [&shared, &public] {
        let read = Connectors::get(&rig.storage, &workspace(), &connector.id).await;
        assert_eq!(read.unwrap().as_ref(), Some(connector));
    }
    let read = rig
        .storage
        .get_shared(&workspace(), &service("googlecalendar"))
        .await;
    assert_eq!(read.unwrap(), Some(shared));
}

async fn pages_follow_the_ids(rig: Rig) {
    let all = ["a", "b", "c"].map(|id| connector(id, ConnectorKind::AppUser));
    let changes = all.clone().map(Create);
    rig.storage
        .apply(&workspace(), &changes, &[], at(0))
        .await
        .unwrap();
    let page = |after: Option<&str>| Page {
        after: after.map(str::to_owned),
        limit: 2,
    };
    let list = async |page| Connectors::list(&rig.storage, &workspace(), &page).await;
    assert_eq!(list(page(None)).await.unwrap(), all[..2]);
    assert_eq!(list(page(Some("b"))).await.unwrap(), all[2..]);
    let other = Connectors::list(&rig.storage, &stranger(), &page(None)).await;
    assert!(other.unwrap().is_empty());
}

async fn an_update_needs_the_version_that_was_read(rig: Rig) {
    let first = connector("a", ConnectorKind::Shared);
    let set = [Create(first.clone())];
    rig.storage
        .apply(&workspace(), &set, &[], at(0))
        .await
        .unwrap();
    let mut second = first.clone();
    second.client_secret = Some(secret());
    second.kind = ConnectorKind::AppUser;
    second.update_time = at(5);
    let set = [Update(second.clone())];
    rig.storage
        .apply(&workspace(), &set, &[], at(0))
        .await
        .unwrap();
    second.version = 2;
    let read = Connectors::get(&rig.storage, &workspace(), &first.id).await;
    assert_eq!(read.unwrap(), Some(second));
    let stale = rig.storage.apply(&workspace(), &set, &[], at(0)).await;
    assert!(matches!(stale, Err(StorageError::Changed)), "{stale:?}");
    let foreign = rig.storage.apply(&stranger(), &set, &[], at(0)).await;
    assert!(matches!(foreign, Err(StorageError::Changed)), "{foreign:?}");
}

async fn a_set_is_applied_whole_or_not_at_all(rig: Rig) {
    let first = connector("a", ConnectorKind::AppUser);
    let set = [Create(first.clone())];
    rig.storage
        .apply(&workspace(), &set, &[], at(0))
        .await
        .unwrap();
    let b = || Create(connector("b", ConnectorKind::AppUser));
    let again = rig
        .storage
        .apply(&workspace(), &[b(), Create(first)], &[], at(0))
        .await;
    assert!(matches!(again, Err(StorageError::Exists)), "{again:?}");
    let set = [b(), Delete(connector_id("nothing"))];
    let nothing = rig.storage.apply(&workspace(), &set, &[], at(0)).await;
    assert!(matches!(nothing, Err(StorageError::Changed)), "{nothing:?}");
    let read = Connectors::get(&rig.storage, &workspace(), &connector_id("b")).await;
    assert_eq!(read.unwrap(), None);
}

async fn one_shared_connector_a_type(rig: Rig) {
    let shared = |id| Create(connector(id, ConnectorKind::Shared));
    rig.storage
        .apply(&workspace(), &[shared("a")], &[], at(0))
        .await
        .unwrap();
    let second = rig
        .storage
        .apply(&workspace(), &[shared("b")], &[], at(0))
        .await;
    assert!(matches!(second, Err(StorageError::Exists)), "{second:?}");
    // Elsewhere, or in its place, there is room for one.
    rig.storage
        .apply(&stranger(), &[shared("a")], &[], at(0))
        .await
        .unwrap();
    let replace = [shared("b"), Delete(connector_id("a"))];
    rig.storage
        .apply(&workspace(), &replace, &[], at(0))
        .await
        .unwrap();
}

async fn a_connector_in_use_is_not_deleted(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let second = new_connection(user("grace"));
    rig.storage.connect(&second, at(3)).await.unwrap();
    let revoked = rig.storage.revoke(&workspace(), &new.id, "BY_USER").await;
    assert_eq!(revoked.unwrap().len(), 1);
    let set = [
        Create(connector("b", ConnectorKind::AppUser)),
        Delete(new.connector_id.clone()),
    ];
    let types = [(service("intranet"), "a = 1".to_owned())];
    let apply = async || rig.storage.apply(&workspace(), &set, &types, at(4)).await;
    let used = apply().await;
    let Err(StorageError::InUse { connections: 2 }) = used else {
        panic!("{used:?}");
    };
    let b = Connectors::get(&rig.storage, &workspace(), &connector_id("b")).await;
    assert_eq!(b.unwrap(), None);
    let kept = IntegrationOverrides::list(&rig.storage).await;
    assert!(kept.unwrap().is_empty());
    for id in [&new.id, &second.id] {
        let gone = rig.storage.delete(&workspace(), id).await;
        assert_eq!(gone.unwrap().len(), 1);
    }
    apply().await.unwrap();
    let read = Connectors::get(&rig.storage, &workspace(), &new.connector_id).await;
    assert_eq!(read.unwrap(), None);
}

/// Whichever comes first wins, and a connection that was made is there.
async fn connecting_and_deleting_exclude_each_other(rig: Rig) {
    for round in 0..20 {
        let one = stored_connector(&rig.storage).await;
        let new = new_connection(user("ada"));
        let (storage, made) = (rig.storage.clone(), new.clone());
        let connecting = tokio::spawn(async move { storage.connect(&made, at(2)).await });
        let set = [Delete(one.id.clone())];
        let deleted = rig.storage.apply(&workspace(), &set, &[], at(2)).await;
        let connected = connecting.await.unwrap();
        let left = rig.storage.delete(&workspace(), &new.id).await.unwrap();
        match (connected, deleted) {
            (Ok(_), Err(StorageError::InUse { connections: 1 })) => {
                assert_eq!(left.len(), 1, "{round}");
                let again = rig.storage.apply(&workspace(), &set, &[], at(2)).await;
                again.unwrap();
            }
            (Err(StorageError::Changed), Ok(())) => assert_eq!(left, [], "{round}"),
            other => panic!("{round}: {other:?}"),
        }
    }
}

async fn integration_types_are_stored_with_the_connectors_or_not_at_all(rig: Rig) {
    let first = connector("a", ConnectorKind::AppUser);
    let name = service("intranet");
    let define = |text: &str| [(name.clone(), text.to_owned())];
    let set = [Create(first.clone())];
    let apply = async |definitions: &[_]| {
        let set = &set;
        rig.storage
            .apply(&workspace(), set, definitions, at(0))
            .await
    };
    apply(&define("a = 1")).await.unwrap();
    let again = apply(&define("a = 2")).await;
    assert!(matches!(again, Err(StorageError::Exists)), "{again:?}");
    let stored = IntegrationOverrides::list(&rig.storage).await;
    assert_eq!(
        stored.unwrap(),
        [(workspace(), name.clone(), "a = 1".to_owned())]
    );
}

async fn concurrent_updates_have_one_winner(rig: Rig) {
    let first = connector("a", ConnectorKind::AppUser);
    let set = [Create(first.clone())];
    rig.storage
        .apply(&workspace(), &set, &[], at(0))
        .await
        .unwrap();
    let tries = (0..20).map(|_| {
        let (storage, set) = (rig.storage.clone(), [Update(first.clone())]);
        tokio::spawn(async move { storage.apply(&workspace(), &set, &[], at(0)).await.is_ok() })
    });
    let won = futures::future::join_all(tries).await;
    assert_eq!(
        won.into_iter().filter(|won| *won.as_ref().unwrap()).count(),
        1
    );
}
