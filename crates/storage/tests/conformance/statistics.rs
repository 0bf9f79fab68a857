//! Figures: what there is, by type, status, category and user.

use std::collections::BTreeMap;

use tokend_model::{
    ConnectionStatus, ConnectionUse, ConnectorChange, ConnectorKind, IntegrationTypeName, Label,
    Owner, WorkspaceName,
    ports::{Connections, Connectors, Counts, Statistics},
};

use crate::{
    rig::Rig,
    sample::{
        at, connector, connector_id, new_connection, service, stored_connector, stranger, user,
        workspace,
    },
};

cases!(everything_is_counted_once, nothing_is_counted_as_nothing);

/// Two users with three calendars, one of them revoked; one of the users has mail, and everybody shares a disk.
async fn store(rig: &Rig) {
    let storage = &rig.storage;
    stored_connector(storage).await;
    let mut mail = connector("mail", ConnectorKind::AppUser);
    mail.integration_type = service("outlook");
    let mut disk = connector("disk", ConnectorKind::Shared);
    disk.integration_type = service("box");
    let changes = [mail, disk].map(ConnectorChange::Create);
    let applied = storage.apply(&workspace(), &changes, &[], at(0)).await;
    applied.unwrap();
    let mut second = new_connection(user("ada"));
    second.label = Label::new("work").unwrap();
    let mut mail = new_connection(user("ada"));
    (mail.connector_id, mail.integration_type) = (connector_id("mail"), service("outlook"));
    let mut disk = new_connection(Owner::Shared);
    (disk.connector_id, disk.integration_type) = (connector_id("disk"), service("box"));
    let revoked = new_connection(user("bob"));
    let first = new_connection(user("ada"));
    for new in [&first, &second, &mail, &disk, &revoked] {
        storage.connect(new, at(2)).await.unwrap();
    }
    let uses = [(&first, 5, 100), (&second, 7, 90), (&disk, 1, 80)];
    let uses = uses.map(|(new, count, second)| ConnectionUse {
        workspace: workspace(),
        connection_id: new.id.clone(),
        count,
        last_use_time: at(second),
    });
    storage.record_uses(&uses).await.unwrap();
    let ended = storage.revoke(&workspace(), &revoked.id, "BY_USER").await;
    ended.unwrap();
}

fn categories() -> BTreeMap<IntegrationTypeName, String> {
    [
        ("googlecalendar", "office"),
        ("outlook", "office"),
        ("box", "files"),
        ("slack", "chat"),
    ]
    .map(|(name, category)| (service(name), category.to_owned()))
    .into()
}

async fn count(rig: &Rig, workspace: WorkspaceName, only: Option<&IntegrationTypeName>) -> Counts {
    let counts = rig.storage.count(&workspace, only, &categories()).await;
    counts.unwrap()
}

async fn everything_is_counted_once(rig: Rig) {
    store(&rig).await;
    let mut counts = count(&rig, workspace(), None).await;
    counts
        .connections
        .sort_by_key(|one| (one.integration_type.clone(), one.status.as_str()));
    let told: Vec<_> = counts
        .connections
        .iter()
        .map(|one| {
            (
                one.integration_type.as_str(),
                one.status,
                one.connections,
                one.uses,
                one.last_use_time,
            )
        })
        .collect();
    let authorized = ConnectionStatus::Authorized;
    assert_eq!(
        told,
        [
            ("box", authorized, 1, 1, Some(at(80))),
            ("googlecalendar", authorized, 2, 12, Some(at(100))),
            ("googlecalendar", ConnectionStatus::Revoked, 1, 0, None),
            ("outlook", authorized, 1, 0, None),
        ]
    );
    let by_type = |pairs: &[(&str, u64)]| -> BTreeMap<_, _> {
        let named = |&(name, number): &(&str, u64)| (service(name), number);
        pairs.iter().map(named).collect()
    };
    let each = by_type(&[("box", 1), ("googlecalendar", 1), ("outlook", 1)]);
    assert_eq!(counts.connectors, each);
    assert_eq!(counts.app_users, 2);
    let users = by_type(&[("googlecalendar", 2), ("outlook", 1)]);
    assert_eq!(counts.app_users_by_type, users);
    let office = BTreeMap::from([("office".to_owned(), 2)]);
    assert_eq!(counts.app_users_by_category, office);

    let only = service("outlook");
    let outlook = count(&rig, workspace(), Some(&only)).await;
    assert_eq!(outlook.connectors, by_type(&[("outlook", 1)]));
    assert_eq!((outlook.connections.len(), outlook.app_users), (1, 1));
    assert_eq!(count(&rig, stranger(), None).await, Counts::default());
}

async fn nothing_is_counted_as_nothing(rig: Rig) {
    let counts = rig
        .storage
        .count(&workspace(), None, &BTreeMap::new())
        .await;
    assert_eq!(counts.unwrap(), Counts::default());
}
