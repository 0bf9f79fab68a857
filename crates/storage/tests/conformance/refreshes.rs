//! What a refresh comes to: only the holder's outcome counts, and an answer that came late is not lost.

use std::{collections::BTreeMap, time::Duration};

use tokend_model::{
    ConnectionStatus, Generation, RefreshHealth,
    ports::{Changes, Claim, ClaimOutcome, CommitOutcome, Connections, Refreshes, Renewed},
};

use crate::{
    attempts::{MINUTE, claim, claimed, commit, fail, failure, read, renewed},
    rig::Rig,
    sample::{at, new_connection, stored_connection, stranger, user, workspace},
};

cases!(
    a_late_answer_counts_where_the_next_holder_failed,
    a_late_answer_counts_where_the_next_holder_died,
    a_late_answer_counts_only_while_nothing_else_came,
    a_commit_is_the_next_generation,
    a_commit_can_be_repeated,
    a_stale_commit_changes_nothing,
    a_failure_is_recorded_unless_it_is_stale,
    reconnecting_fences_an_open_claim,
    revoking_fences_an_open_claim,
    the_credential_before_is_kept,
    others_hear_of_it_where_the_token_before_is_dead,
    what_a_renewal_tells_replaces_the_config,
);

async fn a_late_answer_counts_where_the_next_holder_failed(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let late = claimed(&rig, &new, 1, Duration::ZERO).await;
    let refused = claimed(&rig, &new, 1, MINUTE).await;
    fail(&rig, &refused).await;
    let answer = renewed();
    for _ in 0..2 {
        let stored = commit(&rig, &late, &answer).await;
        assert_eq!(stored, CommitOutcome::Committed);
    }
    let lost = commit(&rig, &refused, &renewed()).await;
    assert_eq!(lost, CommitOutcome::Orphaned);
    fail(&rig, &refused).await;
    let (connection, stored) = read(&rig, &new).await;
    assert_eq!(connection.generation, Generation(2));
    assert_eq!(connection.status, ConnectionStatus::Authorized);
    assert_eq!(connection.refresh_health, RefreshHealth::default());
    assert_eq!(
        stored.unwrap().refresh_token,
        answer.credential.refresh_token
    );
    claimed(&rig, &new, 2, MINUTE).await;
}

async fn a_late_answer_counts_where_the_next_holder_died(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let late = claimed(&rig, &new, 1, Duration::ZERO).await;
    let dead = claimed(&rig, &new, 1, Duration::ZERO).await;
    let stored = commit(&rig, &late, &renewed()).await;
    assert_eq!(stored, CommitOutcome::Committed);
    let lost = commit(&rig, &dead, &renewed()).await;
    assert_eq!(lost, CommitOutcome::Orphaned);
}

async fn a_late_answer_counts_only_while_nothing_else_came(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let outcome = async |late: &Claim| commit(&rig, late, &renewed()).await;
    // The next holder failed, but a third is at it.
    let late = claimed(&rig, &new, 1, Duration::ZERO).await;
    let refused = claimed(&rig, &new, 1, MINUTE).await;
    fail(&rig, &refused).await;
    let third = claimed(&rig, &new, 1, MINUTE).await;
    assert_eq!(outcome(&late).await, CommitOutcome::Orphaned);
    fail(&rig, &third).await;
    // The user connected anew, which closes the claim too.
    let again = new_connection(user("ada"));
    rig.storage.connect(&again, at(9)).await.unwrap();
    assert_eq!(outcome(&late).await, CommitOutcome::Orphaned);
    // Somebody revoked it, and nothing may come back.
    let late = claimed(&rig, &new, 2, Duration::ZERO).await;
    let refused = claimed(&rig, &new, 2, MINUTE).await;
    fail(&rig, &refused).await;
    let revoked = rig.storage.revoke(&workspace(), &new.id, "BY_USER").await;
    assert_eq!(revoked.unwrap().len(), 1);
    assert_eq!(outcome(&late).await, CommitOutcome::Gone);
    rig.storage.delete(&workspace(), &new.id).await.unwrap();
    assert_eq!(outcome(&late).await, CommitOutcome::Gone);
}

async fn a_commit_is_the_next_generation(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let open = claimed(&rig, &new, 1, MINUTE).await;
    let mut halfway = failure();
    halfway.health.uncertain_since = Some(at(30));
    rig.storage.fail(&open, &halfway).await.unwrap();
    for base in 1..4 {
        let open = claimed(&rig, &new, base, MINUTE).await;
        let renewed = renewed();
        let stored = commit(&rig, &open, &renewed).await;
        assert_eq!(stored, CommitOutcome::Committed);
        let (connection, stored) = read(&rig, &new).await;
        let mut expected = renewed.credential;
        expected.generation = Generation(base + 1);
        assert_eq!(stored.as_ref(), Some(&expected));
        assert_eq!(connection.generation, expected.generation);
        assert_eq!(connection.status, ConnectionStatus::Authorized);
        assert_eq!(connection.status_reason, "");
        assert_eq!(connection.refresh_health, RefreshHealth::default());
        assert_eq!(connection.renewal_time, renewed.renewal_time);
        assert_eq!(connection.scopes, expected.scopes);
        assert_eq!(connection.expiry, expected.expiry);
        assert_eq!(connection.refresh_time, at(100));
        assert_eq!(connection.authorize_time, at(2));
    }
    // The present one and the one before.
    assert_eq!(rig.execute("DELETE FROM credentials").await, 2);
}

async fn a_commit_can_be_repeated(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let open = claimed(&rig, &new, 1, MINUTE).await;
    let first = renewed();
    let stored = || commit(&rig, &open, &first);
    assert_eq!(stored().await, CommitOutcome::Committed);
    assert_eq!(stored().await, CommitOutcome::Committed);
    let other = commit(&rig, &open, &renewed()).await;
    assert_eq!(other, CommitOutcome::Orphaned);
    // The next is under way, and then there.
    let next = claimed(&rig, &new, 2, MINUTE).await;
    assert_eq!(stored().await, CommitOutcome::Committed);
    let second = renewed();
    commit(&rig, &next, &second).await;
    assert_eq!(stored().await, CommitOutcome::Committed);
    let present = read(&rig, &new).await.1.unwrap();
    assert_eq!(present.access_token, second.credential.access_token);
    assert_eq!(rig.execute("DELETE FROM orphans").await, 1);
}

async fn a_stale_commit_changes_nothing(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let stale = claimed(&rig, &new, 1, Duration::ZERO).await;
    let winner = claimed(&rig, &new, 1, MINUTE).await;
    commit(&rig, &winner, &renewed()).await;
    let before = read(&rig, &new).await;
    for claim in [
        stale.clone(),
        Claim {
            base: Generation(2),
            ..stale.clone()
        },
        Claim {
            base: Generation(3),
            ..winner
        },
    ] {
        let outcome = commit(&rig, &claim, &renewed()).await;
        assert_eq!(outcome, CommitOutcome::Orphaned);
        fail(&rig, &claim).await;
    }
    assert_eq!(read(&rig, &new).await, before);
    let foreign = Claim {
        workspace: stranger(),
        ..stale
    };
    let outcome = commit(&rig, &foreign, &renewed()).await;
    assert_eq!(outcome, CommitOutcome::Gone);
}

async fn a_failure_is_recorded_unless_it_is_stale(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let open = claimed(&rig, &new, 1, MINUTE).await;
    fail(&rig, &open).await;
    let mut later = failure();
    later.status = ConnectionStatus::Error;
    later.renewal_time = None;
    rig.storage.fail(&open, &later).await.unwrap();
    let (connection, credential) = read(&rig, &new).await;
    assert_eq!(connection.status, ConnectionStatus::Expired);
    assert_eq!(connection.status_reason, "PROVIDER_UNAVAILABLE");
    assert_eq!(connection.refresh_health, failure().health);
    assert_eq!(connection.renewal_time, failure().renewal_time);
    assert_eq!(connection.generation, Generation(1));
    assert!(credential.is_some());
    let next = claimed(&rig, &new, 1, MINUTE).await;
    assert!(next.epoch > open.epoch);
    rig.storage.fail(&next, &later).await.unwrap();
    assert_eq!(read(&rig, &new).await.0.renewal_time, None);
}

async fn reconnecting_fences_an_open_claim(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let open = claimed(&rig, &new, 1, MINUTE).await;
    let again = new_connection(user("ada"));
    rig.storage.connect(&again, at(9)).await.unwrap();
    let late = commit(&rig, &open, &renewed()).await;
    assert_eq!(late, CommitOutcome::Orphaned);
    claimed(&rig, &new, 2, MINUTE).await;
}

async fn revoking_fences_an_open_claim(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let open = claimed(&rig, &new, 1, MINUTE).await;
    rig.storage
        .revoke(&workspace(), &new.id, "BY_USER")
        .await
        .unwrap();
    let late = commit(&rig, &open, &renewed()).await;
    assert_eq!(late, CommitOutcome::Gone);
    fail(&rig, &open).await;
    let (connection, credential) = read(&rig, &new).await;
    assert_eq!(connection.status, ConnectionStatus::Revoked);
    assert_eq!(connection.renewal_time, None);
    assert_eq!(credential, None);
    assert_eq!(claim(&rig, &new, 1, MINUTE).await, ClaimOutcome::Moved);
}

async fn the_credential_before_is_kept(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let first = claimed(&rig, &new, 1, MINUTE).await;
    let before = async |claim: &Claim| {
        let (workspace, id) = (&claim.workspace, &claim.connection_id);
        let previous = rig.storage.previous_credential(workspace, id, claim.base);
        previous.await.unwrap()
    };
    assert_eq!(before(&first).await, None);
    commit(&rig, &first, &renewed()).await;
    let second = claimed(&rig, &new, 2, MINUTE).await;
    let kept = before(&second).await.unwrap();
    assert_eq!(kept.generation, Generation(1));
    assert_eq!(kept.refresh_token, new.answer.refresh_token);
    let foreign = Claim {
        workspace: stranger(),
        ..second.clone()
    };
    assert_eq!(before(&foreign).await, None);
    // A fallback that does not open is none.
    rig.execute("UPDATE credentials SET refresh_token = access_token")
        .await;
    assert_eq!(before(&second).await, None);
}

async fn others_hear_of_it_where_the_token_before_is_dead(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let begin = rig.storage.since(None).await.unwrap().until;
    for (base, supersedes_at_once) in [(1, false), (2, true)] {
        let open = claimed(&rig, &new, base, MINUTE).await;
        let renewed = Renewed {
            supersedes_at_once,
            ..renewed()
        };
        commit(&rig, &open, &renewed).await;
        let seen = rig.storage.since(Some(begin)).await.unwrap();
        assert_eq!(!seen.changes.is_empty(), supersedes_at_once);
    }
}

async fn what_a_renewal_tells_replaces_the_config(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let told = BTreeMap::from([("cloud_id".to_owned(), "8".to_owned())]);
    for (base, connection_config, expected) in [
        (1, None, &new.connection_config),
        (2, Some(told.clone()), &told),
        (3, None, &told),
    ] {
        let open = claimed(&rig, &new, base, MINUTE).await;
        let renewed = Renewed {
            connection_config,
            ..renewed()
        };
        commit(&rig, &open, &renewed).await;
        let read = Connections::get(&rig.storage, &workspace(), &new.id).await;
        let (connection, _) = read.unwrap().unwrap();
        assert_eq!(connection.connection_config, *expected);
    }
}
