//! Connectors: what is written is read, and a set of changes is carried out whole or not at all.

use tokend_model::{
    ConnectorChange::{Create, Delete, Update},
    ConnectorKind,
    ports::{Connections, Connectors, Page, StorageError},
};

use crate::{
    rig::Rig,
    sample::{
        at, connector, connector_id, secret, service, stored_connection, stranger, workspace,
    },
};

cases!(
    what_is_written_is_read,
    pages_follow_the_ids,
    an_update_needs_the_version_that_was_read,
    a_set_is_applied_whole_or_not_at_all,
    one_shared_connector_a_type,
    deleting_takes_the_connections_along,
    concurrent_updates_have_one_winner,
);

async fn what_is_written_is_read(rig: Rig) {
    let shared = connector("a", ConnectorKind::Shared);
    let mut public = connector("b", ConnectorKind::AppUser);
    public.client_secret = None;
    public.disabled = true;
    let changes = [Create(shared.clone()), Create(public.clone())];
    rig.storage.apply(&workspace(), &changes).await.unwrap();
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
    rig.storage.apply(&workspace(), &changes).await.unwrap();
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
    rig.storage.apply(&workspace(), &set).await.unwrap();
    let mut second = first.clone();
    second.client_secret = Some(secret());
    second.kind = ConnectorKind::AppUser;
    second.update_time = at(5);
    let set = [Update(second.clone())];
    rig.storage.apply(&workspace(), &set).await.unwrap();
    second.version = 2;
    let read = Connectors::get(&rig.storage, &workspace(), &first.id).await;
    assert_eq!(read.unwrap(), Some(second));
    let stale = rig.storage.apply(&workspace(), &set).await;
    assert!(matches!(stale, Err(StorageError::Changed)), "{stale:?}");
    let foreign = rig.storage.apply(&stranger(), &set).await;
    assert!(matches!(foreign, Err(StorageError::Changed)), "{foreign:?}");
}

async fn a_set_is_applied_whole_or_not_at_all(rig: Rig) {
    let first = connector("a", ConnectorKind::AppUser);
    let set = [Create(first.clone())];
    rig.storage.apply(&workspace(), &set).await.unwrap();
    let b = || Create(connector("b", ConnectorKind::AppUser));
    let again = rig.storage.apply(&workspace(), &[b(), Create(first)]).await;
    assert!(matches!(again, Err(StorageError::Exists)), "{again:?}");
    let set = [b(), Delete(connector_id("nothing"))];
    let nothing = rig.storage.apply(&workspace(), &set).await;
    assert!(matches!(nothing, Err(StorageError::Changed)), "{nothing:?}");
    let read = Connectors::get(&rig.storage, &workspace(), &connector_id("b")).await;
    assert_eq!(read.unwrap(), None);
}

async fn one_shared_connector_a_type(rig: Rig) {
    let shared = |id| Create(connector(id, ConnectorKind::Shared));
    rig.storage
        .apply(&workspace(), &[shared("a")])
        .await
        .unwrap();
    let second = rig.storage.apply(&workspace(), &[shared("b")]).await;
    assert!(matches!(second, Err(StorageError::Exists)), "{second:?}");
    // Elsewhere, or in its place, there is room for one.
    rig.storage
        .apply(&stranger(), &[shared("a")])
        .await
        .unwrap();
    let replace = [shared("b"), Delete(connector_id("a"))];
    rig.storage.apply(&workspace(), &replace).await.unwrap();
}

async fn deleting_takes_the_connections_along(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let set = [Delete(new.connector_id.clone())];
    rig.storage.apply(&workspace(), &set).await.unwrap();
    let read = Connections::get(&rig.storage, &workspace(), &new.id).await;
    assert_eq!(read.unwrap(), None);
    for table in ["credentials", "connection_usage", "connections"] {
        assert_eq!(rig.execute(&format!("DELETE FROM {table}")).await, 0);
    }
}

async fn concurrent_updates_have_one_winner(rig: Rig) {
    let first = connector("a", ConnectorKind::AppUser);
    let set = [Create(first.clone())];
    rig.storage.apply(&workspace(), &set).await.unwrap();
    let tries = (0..20).map(|_| {
        let (storage, set) = (rig.storage.clone(), [Update(first.clone())]);
        tokio::spawn(async move { storage.apply(&workspace(), &set).await.is_ok() })
    });
    let won = futures::future::join_all(tries).await;
    assert_eq!(
        won.into_iter().filter(|won| *won.as_ref().unwrap()).count(),
        1
    );
}
