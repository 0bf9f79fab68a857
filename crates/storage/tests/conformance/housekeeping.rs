//! What operators clear away: what ended long ago, attempts that led nowhere, and one user's.

use std::time::Duration;

use tokend_model::{
    Authorization, AuthorizationState, ConnectionStatus, ConnectionUse, Owner,
    ports::{Authorizations, Connections, Housekeeping, NewConnection, RefreshFailure, Refreshes},
};

use crate::{
    attempts::{MINUTE, claimed, commit, failure, read, renewed},
    rig::Rig,
    sample::{
        at, authorization, hash, new_connection, stored_connector, stranger, user, workspace,
    },
};

cases!(
    what_ended_long_ago_goes,
    what_lives_or_was_used_or_may_come_back_stays,
    an_end_without_a_time_begins_to_count_now,
    attempts_that_led_nowhere_go,
    an_owners_attempts_are_told_and_erased,
);

const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

async fn connected(rig: &Rig, name: &str) -> NewConnection {
    let new = new_connection(user(name));
    rig.storage.connect(&new, at(2)).await.unwrap();
    new
}

async fn broken(rig: &Rig, name: &str) -> NewConnection {
    let new = connected(rig, name).await;
    let open = claimed(rig, &new, 1, MINUTE).await;
    let over = RefreshFailure {
        status: ConnectionStatus::Error,
        ..failure()
    };
    rig.storage.fail(&open, &over).await.unwrap();
    new
}

async fn revoked(rig: &Rig, name: &str) -> NewConnection {
    let new = connected(rig, name).await;
    let ended = rig.storage.revoke(&workspace(), &new.id, "BY_USER").await;
    ended.unwrap();
    new
}

/// As if all that ended had done so two months ago.
async fn two_months_pass(rig: &Rig) {
    let days = 60_i64 * 24 * 60 * 60 * 1000;
    rig.execute(&format!(
        "UPDATE connections SET ended_time = ended_time - {days}"
    ))
    .await;
}

async fn reap(rig: &Rig, dead_for: Duration, limit: u64, dry_run: bool) -> Vec<Owner> {
    let reaped = rig
        .storage
        .reap_connections(&workspace(), dead_for, limit, dry_run)
        .await;
    let reaped = reaped.unwrap();
    reaped.into_iter().map(|one| one.owner).collect()
}

async fn what_ended_long_ago_goes(rig: Rig) {
    stored_connector(&rig.storage).await;
    let gone = revoked(&rig, "ada").await;
    broken(&rig, "bob").await;
    broken(&rig, "eve").await;
    assert_eq!(reap(&rig, MONTH, 10, false).await, []);
    two_months_pass(&rig).await;
    let all = [user("ada"), user("bob"), user("eve")];
    assert_eq!(reap(&rig, MONTH * 3, 10, false).await, []);
    assert_eq!(reap(&rig, MONTH, 10, true).await, all);
    let elsewhere = rig
        .storage
        .reap_connections(&stranger(), MONTH, 10, false)
        .await;
    assert_eq!(elsewhere.unwrap(), []);
    assert_eq!(reap(&rig, MONTH, 2, false).await, all[..2]);
    assert_eq!(reap(&rig, MONTH, 2, false).await, all[2..]);
    let found = rig.storage.describe(&workspace(), &gone.id).await;
    assert_eq!(found.unwrap(), None);
    for table in ["credentials", "connection_tags", "connection_usage"] {
        let query = format!("SELECT connection_id FROM {table}");
        let left = rig.texts(&query, "connection_id").await;
        assert_eq!(left, Vec::<String>::new(), "{table}");
    }
}

async fn what_lives_or_was_used_or_may_come_back_stays(rig: Rig) {
    stored_connector(&rig.storage).await;
    connected(&rig, "alive").await;
    let used = broken(&rig, "used").await;
    let late = connected(&rig, "late").await;
    let slow = claimed(&rig, &late, 1, Duration::ZERO).await;
    let next = claimed(&rig, &late, 1, MINUTE).await;
    commit(&rig, &slow, &renewed()).await;
    let over = RefreshFailure {
        status: ConnectionStatus::Error,
        ..failure()
    };
    rig.storage.fail(&next, &over).await.unwrap();
    rig.execute(
        "UPDATE connections SET status = 'ERROR', ended_time = 0 WHERE owner_user = 'late'",
    )
    .await;
    let back = broken(&rig, "back").await;
    two_months_pass(&rig).await;
    let now = rig.storage.database_time().await.unwrap();
    let uses = [ConnectionUse {
        workspace: workspace(),
        connection_id: used.id.clone(),
        count: 1,
        last_use_time: now,
    }];
    rig.storage.record_uses(&uses).await.unwrap();
    let mut again = new_connection(back.owner.clone());
    again.id = back.id.clone();
    rig.storage.connect(&again, at(3)).await.unwrap();
    let (connection, _) = read(&rig, &back).await;
    assert_eq!(connection.status, ConnectionStatus::Authorized);
    assert_eq!(reap(&rig, MONTH, 10, false).await, []);
    // What comes back and ends again has ended now.
    let ended = rig.storage.revoke(&workspace(), &back.id, "BY_USER").await;
    ended.unwrap();
    assert_eq!(reap(&rig, MONTH, 10, false).await, []);
}

async fn an_end_without_a_time_begins_to_count_now(rig: Rig) {
    stored_connector(&rig.storage).await;
    revoked(&rig, "ada").await;
    rig.execute("UPDATE connections SET ended_time = NULL")
        .await;
    assert_eq!(reap(&rig, MONTH, 10, false).await, []);
    two_months_pass(&rig).await;
    assert_eq!(reap(&rig, MONTH, 10, false).await, [user("ada")]);
}

async fn started(rig: &Rig, change: impl FnOnce(&mut Authorization)) -> Authorization {
    let mut attempt = authorization();
    change(&mut attempt);
    rig.storage.insert(&attempt, &hash(), None).await.unwrap();
    attempt
}

async fn attempts_that_led_nowhere_go(rig: Rig) {
    stored_connector(&rig.storage).await;
    started(&rig, |_| {}).await;
    started(&rig, |failed| failed.state = AuthorizationState::Failed).await;
    let done = started(&rig, |done| done.state = AuthorizationState::Completed).await;
    let open = started(&rig, |open| open.expire_time = at(5000)).await;
    let reap = async |limit, dry_run| {
        let storage = &rig.storage;
        let workspace = workspace();
        let reaped = storage.reap_authorizations(&workspace, at(601), limit, dry_run);
        reaped.await.unwrap()
    };
    let elsewhere = rig
        .storage
        .reap_authorizations(&stranger(), at(601), 10, false)
        .await;
    assert_eq!(elsewhere.unwrap(), 0);
    assert_eq!((reap(10, true).await, reap(1, true).await), (2, 1));
    assert_eq!(reap(1, false).await, 1);
    assert_eq!((reap(10, false).await, reap(10, false).await), (1, 0));
    for left in [done, open] {
        let found = Authorizations::get(&rig.storage, &workspace(), &left.id).await;
        assert_eq!(found.unwrap(), Some(left));
    }
}

async fn an_owners_attempts_are_told_and_erased(rig: Rig) {
    stored_connector(&rig.storage).await;
    let first = started(&rig, |_| {}).await;
    let second = started(&rig, |second| second.create_time = at(1)).await;
    let other = started(&rig, |other| other.owner = user("bob")).await;
    let of = async |owner: Owner| {
        let workspace = workspace();
        let told = rig.storage.authorizations_of(&workspace, &owner);
        told.await.unwrap()
    };
    assert_eq!(of(user("ada")).await, [first.clone(), second.clone()]);
    let erase = async || {
        let (workspace, ada) = (workspace(), user("ada"));
        let erased = rig.storage.erase_authorizations(&workspace, &ada);
        erased.await.unwrap()
    };
    let mut erased: Vec<_> = erase().await.into_iter().map(|(one, _)| one.id).collect();
    erased.sort();
    let mut expected = [first.id, second.id];
    expected.sort();
    assert_eq!(erased, expected);
    assert_eq!(erase().await.len(), 0);
    assert_eq!(of(user("bob")).await, [other]);
    assert_eq!(of(user("ada")).await, []);
}
