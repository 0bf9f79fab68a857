//! What replicas hear of each other's changes.

use std::{future::Future, pin::Pin, time::Duration};

use futures::{FutureExt, future::join};
use tokend_model::{
    ConnectorChange, Secret, Timestamp,
    ports::{ChangedSubject, Changes, ChangesSeen, Connections, Connectors},
};
use tokend_storage::{Storage, StorageOptions};

use crate::{
    pooler::{GONE, Pooler},
    rig::Rig,
    sample::{
        at, connector_id, new_connection, stored_connection, stored_connector, user, workspace,
    },
};

cases!(
    what_replicas_may_remember_is_reported_when_it_changes,
    what_nobody_can_remember_is_not_reported,
    a_change_that_did_not_happen_is_not_reported,
    changes_are_reported_although_their_transaction_ended_late,
    old_changes_are_forgotten_and_leave_a_gap,
    a_clock_that_went_back_leaves_a_gap,
    what_an_older_version_cannot_read_leaves_a_gap,
    a_change_of_this_process_wakes_it,
    a_change_of_another_process_wakes_this_one,
    a_lost_connection_for_announcements_comes_back,
    waiting_again_and_again_loses_no_announcement,
    a_transaction_mode_pooler_breaks_nothing,
);

async fn beginning(storage: &Storage) -> Timestamp {
    let seen = storage.since(None).await.unwrap();
    assert!(seen.changes.is_empty() && !seen.gap);
    seen.until
}

async fn since(storage: &Storage, moment: Timestamp) -> ChangesSeen {
    storage.since(Some(moment)).await.unwrap()
}

fn subjects(seen: ChangesSeen) -> Vec<ChangedSubject> {
    assert!(!seen.gap);
    seen.changes
        .into_iter()
        .map(|change| {
            assert_eq!(change.workspace, workspace());
            change.subject
        })
        .collect()
}

/// A test that waits in vain must fail.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(20);
    tokio::time::timeout(patience, future).await.unwrap()
}

async fn what_replicas_may_remember_is_reported_when_it_changes(rig: Rig) {
    let (storage, home) = (&rig.storage, workspace());
    let begin = beginning(storage).await;
    let new = stored_connection(storage).await;
    let connection = ChangedSubject::Connection(new.id.clone());
    let calendar = ChangedSubject::Connector(connector_id("calendar"));
    storage.connect(&new, at(3)).await.unwrap();
    storage.revoke(&home, &new.id, "BY_USER").await.unwrap();
    storage.delete(&home, &new.id).await.unwrap();
    let connector = Connectors::get(storage, &home, &connector_id("calendar")).await;
    let update = ConnectorChange::Update(connector.unwrap().unwrap());
    storage.apply(&home, &[update], &[], at(4)).await.unwrap();
    let delete = ConnectorChange::Delete(connector_id("calendar"));
    storage.apply(&home, &[delete], &[], at(5)).await.unwrap();
    let expected = [
        connection.clone(),
        connection.clone(),
        connection,
        calendar.clone(),
        calendar,
    ];
    assert_eq!(subjects(since(storage, begin).await), expected);
}

async fn what_nobody_can_remember_is_not_reported(rig: Rig) {
    let begin = beginning(&rig.storage).await;
    stored_connection(&rig.storage).await;
    let second = new_connection(user("grace"));
    rig.storage.connect(&second, at(2)).await.unwrap();
    assert_eq!(subjects(since(&rig.storage, begin).await), []);
}

async fn a_change_that_did_not_happen_is_not_reported(rig: Rig) {
    let begin = beginning(&rig.storage).await;
    let connector = stored_connector(&rig.storage).await;
    let outdated = ConnectorChange::Update(tokend_model::Connector {
        version: 99,
        ..connector
    });
    let (home, changes) = (workspace(), [outdated]);
    let changed = rig.storage.apply(&home, &changes, &[], at(3));
    assert!(changed.await.is_err());
    assert_eq!(subjects(since(&rig.storage, begin).await), []);
}

async fn changes_are_reported_although_their_transaction_ended_late(rig: Rig) {
    let begin = beginning(&rig.storage).await;
    let new = stored_connection(&rig.storage).await;
    rig.storage.delete(&workspace(), &new.id).await.unwrap();
    let until = since(&rig.storage, begin).await.until;
    assert!(until >= begin);
    // As if it had been written 20 s before the last question, in a transaction that ended only now.
    rig.execute("UPDATE changes SET change_time = change_time - 20000")
        .await;
    let late = [ChangedSubject::Connection(new.id)];
    assert_eq!(subjects(since(&rig.storage, until).await), late);
}

async fn old_changes_are_forgotten_and_leave_a_gap(rig: Rig) {
    let now = beginning(&rig.storage).await;
    let new = stored_connection(&rig.storage).await;
    rig.storage.delete(&workspace(), &new.id).await.unwrap();
    assert_eq!(rig.storage.forget_old().await.unwrap(), 0);
    let minutes_ago = |minutes: u64| now - Duration::from_secs(60 * minutes);
    assert!(!since(&rig.storage, minutes_ago(9)).await.gap);
    assert!(since(&rig.storage, minutes_ago(10)).await.gap);
    rig.execute("UPDATE changes SET change_time = change_time - 599000")
        .await;
    assert_eq!(rig.storage.forget_old().await.unwrap(), 0);
    rig.execute("UPDATE changes SET change_time = change_time - 1001")
        .await;
    assert_eq!(rig.storage.forget_old().await.unwrap(), 1);
}

async fn a_clock_that_went_back_leaves_a_gap(rig: Rig) {
    let now = beginning(&rig.storage).await;
    assert!(since(&rig.storage, now + Duration::from_secs(60)).await.gap);
}

async fn what_an_older_version_cannot_read_leaves_a_gap(rig: Rig) {
    let begin = beginning(&rig.storage).await;
    let new = stored_connection(&rig.storage).await;
    let home = workspace();
    for reason in ["ONE", "OTHER"] {
        rig.storage.revoke(&home, &new.id, reason).await.unwrap();
    }
    rig.execute("UPDATE changes SET kind = 'MOON' WHERE id = (SELECT MIN(id) FROM changes)")
        .await;
    let seen = since(&rig.storage, begin).await;
    assert!(seen.gap);
    assert_eq!(seen.changes.len(), 1, "what can be read is reported");
}

async fn a_change_of_this_process_wakes_it(rig: Rig) {
    listening(&rig, &rig.storage).await;
    let new = stored_connection(&rig.storage).await;
    let home = workspace();
    let revoked = rig.storage.revoke(&home, &new.id, "BY_USER");
    soon(join(rig.storage.announced(), revoked))
        .await
        .1
        .unwrap();
}

async fn a_change_of_another_process_wakes_this_one(rig: Rig) {
    if !rig.is_postgres() {
        return;
    }
    let other = Storage::connect(rig.options.clone(), rig.keyring.clone());
    let other = other.await.unwrap();
    listening(&rig, &other).await;
    let mut woken: Pin<Box<_>> = Box::pin(other.announced());
    assert!(woken.as_mut().now_or_never().is_none(), "nothing happened");
    let new = stored_connection(&rig.storage).await;
    rig.storage.delete(&workspace(), &new.id).await.unwrap();
    soon(woken).await;
}

async fn a_lost_connection_for_announcements_comes_back(rig: Rig) {
    if !rig.is_postgres() {
        return;
    }
    let other = Storage::connect(rig.options.clone(), rig.keyring.clone());
    let other = other.await.unwrap();
    let (new, home) = (stored_connection(&rig.storage).await, workspace());
    for reason in ["ONE", "OTHER"] {
        listening(&rig, &other).await;
        let killed = rig.texts(
            "SELECT CAST(pg_terminate_backend(pid) AS TEXT) AS killed FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = 'tokend-changes'",
            "killed",
        );
        assert_eq!(killed.await, ["true"]);
        // It may have missed something: that is an announcement too.
        soon(other.announced()).await;
        let revoked = rig.storage.revoke(&home, &new.id, reason);
        soon(join(other.announced(), revoked)).await.1.unwrap();
    }
}

async fn waiting_again_and_again_loses_no_announcement(rig: Rig) {
    listening(&rig, &rig.storage).await;
    let new = stored_connection(&rig.storage).await;
    let home = workspace();
    rig.storage.revoke(&home, &new.id, "BY_USER").await.unwrap();
    // Nobody was waiting then; and somebody who waited, and went away just then, heard it for nobody.
    drop(rig.storage.announced());
    soon(rig.storage.announced()).await;
}

/// Listening through such a pooler leaves a server connection listening that others use: they would break.
async fn a_transaction_mode_pooler_breaks_nothing(rig: Rig) {
    if !rig.is_postgres() {
        return;
    }
    let mut url = url::Url::parse(rig.options.url.expose()).unwrap();
    let server = (url.host_str().unwrap(), url.port().unwrap_or(5432));
    let pooler = Pooler::start(format!("{}:{}", server.0, server.1)).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(pooler.port)).unwrap();
    // One connection: prepared statements of several would meet on the server.
    let options = StorageOptions {
        url: Secret::new(url.as_str()),
        max_connections: 1,
        ..rig.options.clone()
    };
    let storage = Storage::connect(options, rig.keyring.clone())
        .await
        .unwrap();
    let (new, home) = (stored_connection(&storage).await, workspace());
    let begin = beginning(&storage).await;
    let mut woken = Box::pin(storage.announced());
    soon(async {
        // The connection that was to listen, and the one it was compared with.
        let gone = || pooler.seen().iter().filter(|said| *said == GONE).count();
        while gone() < 2 {
            assert!(woken.as_mut().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!pooler.seen().iter().any(|said| said.starts_with("LISTEN")));
    let listeners = "SELECT 'one' AS one FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()";
    assert!(rig.texts(listeners, "one").await.is_empty());
    for reason in ["ONE", "OTHER"] {
        storage.revoke(&home, &new.id, reason).await.unwrap();
    }
    assert_eq!(subjects(since(&storage, begin).await).len(), 2);
    soon(woken).await;
}

/// Waits until the storage listens, and has been woken for that.
async fn listening(rig: &Rig, storage: &Storage) {
    if !rig.is_postgres() {
        return;
    }
    soon(async {
        let listens = "SELECT 'yes' AS listens FROM pg_stat_activity WHERE datname = current_database() \
            AND application_name = 'tokend-changes' AND state = 'idle' AND query LIKE 'LISTEN%'";
        while rig.texts(listens, "listens").await.is_empty() {
            let _ = storage.announced().now_or_never();
            tokio::task::yield_now().await;
        }
        while storage.announced().now_or_never().is_some() {}
    })
    .await;
}
