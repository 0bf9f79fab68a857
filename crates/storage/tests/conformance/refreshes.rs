//! Refresh claims: one holder at a time, and only the holder's outcome counts.

use std::time::Duration;

use tokend_model::{
    ConnectionStatus, Generation, RefreshHealth,
    ports::{Claim, ClaimOutcome, Connections, NewConnection, RefreshFailure, Refreshes},
};

use crate::{
    rig::Rig,
    sample::{at, credential, new_connection, stored_connection, user, workspace},
};

cases!(
    fifty_claims_have_one_winner,
    a_claim_past_its_deadline_is_taken_over,
    a_late_answer_counts_where_the_next_holder_failed,
    a_late_answer_counts_where_the_next_holder_died,
    a_late_answer_counts_only_while_nothing_else_came,
    a_commit_is_the_next_generation,
    a_commit_can_be_repeated,
    a_stale_commit_changes_nothing,
    a_failure_is_recorded_unless_it_is_stale,
    reconnecting_fences_an_open_claim,
    revoking_fences_an_open_claim,
    another_generation_cannot_be_claimed,
);

const MINUTE: Duration = Duration::from_secs(60);

async fn claim(rig: &Rig, new: &NewConnection, base: u32, time_to_live: Duration) -> ClaimOutcome {
    let base = Generation(base);
    rig.storage
        .claim(&workspace(), &new.id, base, "replica-1", time_to_live)
        .await
        .unwrap()
}

async fn claimed(rig: &Rig, new: &NewConnection, base: u32, time_to_live: Duration) -> Claim {
    match claim(rig, new, base, time_to_live).await {
        ClaimOutcome::Claimed(claim) => claim,
        other => panic!("not claimed: {other:?}"),
    }
}

fn failure() -> RefreshFailure {
    RefreshFailure {
        status: ConnectionStatus::Expired,
        status_reason: "PROVIDER_UNAVAILABLE".to_owned(),
        health: RefreshHealth {
            consecutive_failures: 3,
            last_failure: Some("PROVIDER_UNAVAILABLE".to_owned()),
            retry_time: Some(at(50)),
            accused_time: Some(at(40)),
        },
    }
}

async fn fifty_claims_have_one_winner(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let tries = (0..50).map(|_| {
        let (rig, new) = (rig.clone(), new.clone());
        tokio::spawn(async move { claim(&rig, &new, 1, MINUTE).await })
    });
    let outcomes = futures::future::join_all(tries).await;
    let mut won = 0;
    for outcome in outcomes {
        match outcome.unwrap() {
            ClaimOutcome::Claimed(claim) => {
                assert_eq!((claim.epoch, claim.base), (1, Generation(1)));
                won += 1;
            }
            ClaimOutcome::Held(left) => assert!(left <= MINUTE && left > MINUTE / 2, "{left:?}"),
            ClaimOutcome::Moved => panic!("it has not moved"),
        }
    }
    assert_eq!(won, 1);
}

async fn a_claim_past_its_deadline_is_taken_over(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let first = claimed(&rig, &new, 1, Duration::ZERO).await;
    let second = claimed(&rig, &new, 1, MINUTE).await;
    assert!(second.epoch > first.epoch);
    assert!(!rig.storage.commit(&first, &credential()).await.unwrap());
    let held = claim(&rig, &new, 1, MINUTE).await;
    assert!(matches!(held, ClaimOutcome::Held(_)), "{held:?}");
    assert!(rig.storage.commit(&second, &credential()).await.unwrap());
}

async fn a_late_answer_counts_where_the_next_holder_failed(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let late = claimed(&rig, &new, 1, Duration::ZERO).await;
    let refused = claimed(&rig, &new, 1, MINUTE).await;
    rig.storage.fail(&refused, &failure()).await.unwrap();
    let answer = credential();
    assert!(rig.storage.commit(&late, &answer).await.unwrap());
    assert!(rig.storage.commit(&late, &answer).await.unwrap());
    assert!(!rig.storage.commit(&refused, &credential()).await.unwrap());
    rig.storage.fail(&refused, &failure()).await.unwrap();
    let read = Connections::get(&rig.storage, &workspace(), &new.id).await;
    let (connection, stored) = read.unwrap().unwrap();
    assert_eq!(connection.generation, Generation(2));
    assert_eq!(connection.status, ConnectionStatus::Authorized);
    assert_eq!(connection.refresh_health, RefreshHealth::default());
    assert_eq!(stored.unwrap().refresh_token, answer.refresh_token);
    claimed(&rig, &new, 2, MINUTE).await;
}

async fn a_late_answer_counts_where_the_next_holder_died(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let late = claimed(&rig, &new, 1, Duration::ZERO).await;
    let dead = claimed(&rig, &new, 1, Duration::ZERO).await;
    assert!(rig.storage.commit(&late, &credential()).await.unwrap());
    assert!(!rig.storage.commit(&dead, &credential()).await.unwrap());
}

async fn a_late_answer_counts_only_while_nothing_else_came(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let lost = async |late: &Claim| !rig.storage.commit(late, &credential()).await.unwrap();
    // The next holder failed, but a third is at it.
    let late = claimed(&rig, &new, 1, Duration::ZERO).await;
    let refused = claimed(&rig, &new, 1, MINUTE).await;
    rig.storage.fail(&refused, &failure()).await.unwrap();
    let third = claimed(&rig, &new, 1, MINUTE).await;
    assert!(lost(&late).await);
    rig.storage.fail(&third, &failure()).await.unwrap();
    // The user connected anew, which closes the claim too.
    let again = new_connection(user("ada"));
    rig.storage.connect(&again, at(9)).await.unwrap();
    assert!(lost(&late).await);
    // Somebody revoked it, and nothing may come back.
    let late = claimed(&rig, &new, 2, Duration::ZERO).await;
    let refused = claimed(&rig, &new, 2, MINUTE).await;
    rig.storage.fail(&refused, &failure()).await.unwrap();
    let revoked = rig.storage.revoke(&workspace(), &new.id, "BY_USER").await;
    assert!(revoked.unwrap().is_some());
    assert!(lost(&late).await);
    rig.storage.delete(&workspace(), &new.id).await.unwrap();
    assert!(lost(&late).await);
}

async fn a_commit_is_the_next_generation(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let open = claimed(&rig, &new, 1, MINUTE).await;
    rig.storage.fail(&open, &failure()).await.unwrap();
    for base in 1..4 {
        let open = claimed(&rig, &new, base, MINUTE).await;
        let renewed = credential();
        assert!(rig.storage.commit(&open, &renewed).await.unwrap());
        let read = Connections::get(&rig.storage, &workspace(), &new.id)
            .await
            .unwrap();
        let (connection, stored) = read.unwrap();
        let mut expected = renewed;
        expected.generation = Generation(base + 1);
        assert_eq!(stored.as_ref(), Some(&expected));
        assert_eq!(connection.generation, expected.generation);
        assert_eq!(connection.status, ConnectionStatus::Authorized);
        assert_eq!(connection.status_reason, "");
        assert_eq!(connection.refresh_health, RefreshHealth::default());
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
    let renewed = credential();
    assert!(rig.storage.commit(&open, &renewed).await.unwrap());
    assert!(rig.storage.commit(&open, &renewed).await.unwrap());
    assert!(!rig.storage.commit(&open, &credential()).await.unwrap());
    claimed(&rig, &new, 2, MINUTE).await;
    assert!(!rig.storage.commit(&open, &renewed).await.unwrap());
}

async fn a_stale_commit_changes_nothing(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let stale = claimed(&rig, &new, 1, Duration::ZERO).await;
    let winner = claimed(&rig, &new, 1, MINUTE).await;
    assert!(rig.storage.commit(&winner, &credential()).await.unwrap());
    let before = Connections::get(&rig.storage, &workspace(), &new.id)
        .await
        .unwrap();
    for claim in [
        stale.clone(),
        Claim {
            base: Generation(2),
            ..stale
        },
        Claim {
            base: Generation(3),
            ..winner
        },
    ] {
        assert!(!rig.storage.commit(&claim, &credential()).await.unwrap());
        rig.storage.fail(&claim, &failure()).await.unwrap();
    }
    assert_eq!(
        Connections::get(&rig.storage, &workspace(), &new.id)
            .await
            .unwrap(),
        before
    );
}

async fn a_failure_is_recorded_unless_it_is_stale(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let open = claimed(&rig, &new, 1, MINUTE).await;
    rig.storage.fail(&open, &failure()).await.unwrap();
    let mut later = failure();
    later.status = ConnectionStatus::Error;
    rig.storage.fail(&open, &later).await.unwrap();
    let read = Connections::get(&rig.storage, &workspace(), &new.id)
        .await
        .unwrap();
    let (connection, credential) = read.unwrap();
    assert_eq!(connection.status, ConnectionStatus::Expired);
    assert_eq!(connection.status_reason, "PROVIDER_UNAVAILABLE");
    assert_eq!(connection.refresh_health, failure().health);
    assert_eq!(connection.generation, Generation(1));
    assert!(credential.is_some());
    let next = claimed(&rig, &new, 1, MINUTE).await;
    assert!(next.epoch > open.epoch);
}

async fn reconnecting_fences_an_open_claim(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let open = claimed(&rig, &new, 1, MINUTE).await;
    let again = new_connection(user("ada"));
    rig.storage.connect(&again, at(9)).await.unwrap();
    assert!(!rig.storage.commit(&open, &credential()).await.unwrap());
    claimed(&rig, &new, 2, MINUTE).await;
}

async fn revoking_fences_an_open_claim(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let open = claimed(&rig, &new, 1, MINUTE).await;
    rig.storage
        .revoke(&workspace(), &new.id, "BY_USER")
        .await
        .unwrap();
    assert!(!rig.storage.commit(&open, &credential()).await.unwrap());
    rig.storage.fail(&open, &failure()).await.unwrap();
    let read = Connections::get(&rig.storage, &workspace(), &new.id)
        .await
        .unwrap();
    let (connection, credential) = read.unwrap();
    assert_eq!(connection.status, ConnectionStatus::Revoked);
    assert_eq!(credential, None);
    assert_eq!(claim(&rig, &new, 1, MINUTE).await, ClaimOutcome::Moved);
}

async fn another_generation_cannot_be_claimed(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    assert_eq!(claim(&rig, &new, 2, MINUTE).await, ClaimOutcome::Moved);
    rig.storage.delete(&workspace(), &new.id).await.unwrap();
    assert_eq!(claim(&rig, &new, 1, MINUTE).await, ClaimOutcome::Moved);
}
