//! Claims: one holder at a time, taken over when it is time, and nobody when the provider asked for a pause.

use std::time::Duration;

use tokend_model::{
    Generation, TakeoverRule, Timestamp,
    ports::{
        Claim, ClaimOutcome, ClaimRequest, ClientRegistration, CommitOutcome, Connections,
        Deployments, Holder, Refreshes,
    },
};

use crate::{
    attempts::{
        MINUTE, claim, claimed, commit, fail, failure, holder, read, registration, renewed,
        request, won,
    },
    rig::Rig,
    sample::{at, new_connection, stored_connection, stranger, user, workspace},
};

cases!(
    fifty_claims_have_one_winner,
    a_claim_past_its_deadline_is_taken_over,
    what_an_earlier_life_of_a_replica_holds_is_free,
    silence_is_enough_where_the_rule_says_so,
    silence_is_not_enough_for_an_old_attempt,
    holders_are_waited_for_when_the_database_is_back,
    a_takeover_leaves_the_connection_uncertain,
    what_a_failure_recorded_stands,
    a_heartbeat_keeps_a_claim,
    the_first_attempt_in_doubt_says_how_old_it_is,
    what_was_taken_over_is_waited_for_once_the_window_is_closed,
    a_second_call_gets_a_later_deadline,
    a_pause_is_for_all_of_a_client,
    pauses_that_are_over_are_forgotten,
    the_later_end_of_a_pause_counts,
    another_generation_cannot_be_claimed,
    the_time_told_is_the_one_that_claims_go_by,
);

const SECOND: Duration = Duration::from_secs(1);

fn silent(only_within: Option<Duration>) -> TakeoverRule {
    TakeoverRule {
        silence: Some(8 * SECOND),
        only_within,
    }
}

fn held(outcome: &ClaimOutcome) -> Duration {
    match outcome {
        ClaimOutcome::Held(left) => *left,
        other => panic!("not held: {other:?}"),
    }
}

/// Moves the claim's times into the past.
async fn age(rig: &Rig, column: &str, by: Duration) {
    let (by, claims) = (by.as_millis(), "UPDATE refresh_claims SET");
    let changed = rig
        .execute(&format!("{claims} {column} = {column} - {by}"))
        .await;
    assert_eq!(changed, 1);
}

async fn started_at(rig: &Rig) -> i64 {
    let sql = "SELECT CAST(started_at AS TEXT) AS started FROM refresh_claims";
    rig.texts(sql, "started").await[0].parse().unwrap()
}

async fn fifty_claims_have_one_winner(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let tries = (0..50).map(|_| {
        let (rig, new) = (rig.clone(), new.clone());
        tokio::spawn(async move { claim(&rig, &new, 1, MINUTE).await })
    });
    let outcomes = futures::future::join_all(tries).await;
    let mut winners = 0;
    for outcome in outcomes {
        match outcome.unwrap() {
            ClaimOutcome::Claimed(claimed) => {
                let claim = claimed.claim;
                assert_eq!((claim.epoch, claim.base), (1, Generation(1)));
                assert_eq!((claimed.uncertain_since, claimed.orphan), (None, None));
                winners += 1;
            }
            ClaimOutcome::Held(left) => assert!(left <= MINUTE && left > MINUTE / 2, "{left:?}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(winners, 1);
}

async fn a_claim_past_its_deadline_is_taken_over(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let first = claimed(&rig, &new, 1, MINUTE).await;
    let left = held(&claim(&rig, &new, 1, MINUTE).await);
    assert!(left <= MINUTE && left > MINUTE / 2, "{left:?}");
    age(&rig, "deadline_at", MINUTE).await;
    let second = claimed(&rig, &new, 1, MINUTE).await;
    assert!(second.epoch > first.epoch);
    let late = commit(&rig, &first, &renewed()).await;
    assert_eq!(late, CommitOutcome::Orphaned);
    held(&claim(&rig, &new, 1, MINUTE).await);
    let stored = commit(&rig, &second, &renewed()).await;
    assert_eq!(stored, CommitOutcome::Committed);
}

async fn what_an_earlier_life_of_a_replica_holds_is_free(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let under = async |holder: Holder, takeover| {
        let request = ClaimRequest {
            holder,
            takeover,
            ..request(&new, 1)
        };
        rig.storage.claim(&request).await.unwrap()
    };
    let by = async |holder: Holder| under(holder, silent(None)).await;
    let first = won(by(holder("a", "first")).await);
    for other in [
        holder("a", "first"),
        holder("b", "second"),
        holder("", "second"),
    ] {
        held(&by(other).await);
    }
    // Its last request may still be on the way, which matters to strict providers.
    held(&under(holder("a", "second"), TakeoverRule::default()).await);
    let second = won(by(holder("a", "second")).await);
    assert!(second.claim.epoch > first.claim.epoch);
    assert!(second.uncertain_since.is_some());
    assert!(!rig.storage.heartbeat(&first.claim, None).await.unwrap());
}

async fn silence_is_enough_where_the_rule_says_so(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let by_rule = async |takeover| {
        let request = ClaimRequest {
            takeover,
            ..request(&new, 1)
        };
        rig.storage.claim(&request).await.unwrap()
    };
    won(by_rule(silent(None)).await);
    let left = held(&by_rule(silent(None)).await);
    assert!(left <= 8 * SECOND && left > 4 * SECOND, "{left:?}");
    age(&rig, "heartbeat_at", 8 * SECOND).await;
    let left = held(&by_rule(TakeoverRule::default()).await);
    assert!(left > MINUTE / 2, "{left:?}");
    assert!(won(by_rule(silent(None)).await).uncertain_since.is_some());
    // Never longer than until the deadline.
    age(&rig, "deadline_at", 55 * SECOND).await;
    let left = held(&by_rule(silent(None)).await);
    assert!(left <= 5 * SECOND, "{left:?}");
}

async fn silence_is_not_enough_for_an_old_attempt(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let claim = async || {
        let request = ClaimRequest {
            takeover: silent(Some(25 * SECOND)),
            ..request(&new, 1)
        };
        rig.storage.claim(&request).await.unwrap()
    };
    won(claim().await);
    // It will be too old by the time that it has been silent for long enough.
    age(&rig, "started_at", 18 * SECOND).await;
    let left = held(&claim().await);
    assert!(left > MINUTE / 2, "{left:?}");
    // It has been silent for long enough, and is too old.
    age(&rig, "heartbeat_at", 18 * SECOND).await;
    age(&rig, "started_at", 7 * SECOND).await;
    let left = held(&claim().await);
    assert!(left > MINUTE / 2, "{left:?}");
    // It is just young enough.
    rig.execute("UPDATE refresh_claims SET started_at = started_at + 15000")
        .await;
    won(claim().await);
}

/// The window opened with the first attempt in doubt, not with the one that took it over.
async fn the_first_attempt_in_doubt_says_how_old_it_is(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let claim = async |holder: Holder| {
        let request = ClaimRequest {
            holder,
            takeover: silent(Some(25 * SECOND)),
            ..request(&new, 1)
        };
        rig.storage.claim(&request).await.unwrap()
    };
    won(claim(holder("a", "first")).await);
    age(&rig, "heartbeat_at", 9 * SECOND).await;
    let taken_over = won(claim(holder("b", "first")).await);
    assert!(taken_over.uncertain_since.is_some());
    age(&rig, "heartbeat_at", 9 * SECOND).await;
    rig.execute("UPDATE connections SET uncertain_since = uncertain_since - 30000")
        .await;
    for asker in [holder("c", "first"), holder("b", "second")] {
        let left = held(&claim(asker).await);
        assert!(left > MINUTE / 2, "{left:?}");
    }
}

/// The one that took it over failed and holds nothing any more; the first may still store the only answer that counts.
async fn what_was_taken_over_is_waited_for_once_the_window_is_closed(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let claim = async |replica: &str| {
        let request = ClaimRequest {
            holder: holder(replica, "only"),
            takeover: silent(Some(25 * SECOND)),
            ..request(&new, 1)
        };
        rig.storage.claim(&request).await.unwrap()
    };
    let fails = async |claim: &Claim, since: Timestamp| {
        let mut record = failure();
        record.health.uncertain_since = Some(since);
        rig.storage.fail(claim, &record).await.unwrap();
    };
    won(claim("a").await);
    age(&rig, "heartbeat_at", 9 * SECOND).await;
    let second = won(claim("b").await);
    let now = rig.storage.database_time().await.unwrap();
    fails(&second.claim, now).await;
    // While the window is open nobody waits.
    let third = won(claim("c").await);
    fails(&third.claim, now - MINUTE).await;
    let left = held(&claim("d").await);
    assert!(left > MINUTE / 2, "{left:?}");
    age(&rig, "predecessor_deadline_at", MINUTE).await;
    // A failure alone leaves nobody to wait for.
    let fourth = won(claim("d").await);
    fails(&fourth.claim, now - MINUTE).await;
    won(claim("a").await);
}

async fn holders_are_waited_for_when_the_database_is_back(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let as_holder = async |holder| {
        let request = ClaimRequest {
            holder,
            takeover: silent(None),
            ..request(&new, 1)
        };
        rig.storage.claim(&request).await.unwrap()
    };
    won(as_holder(holder("a", "first")).await);
    age(&rig, "deadline_at", 2 * MINUTE).await;
    rig.storage.found("here").await.unwrap();
    // Nobody has counted the pulse on for long.
    let left = held(&as_holder(holder("b", "first")).await);
    assert!(left > 7 * SECOND && left <= 8 * SECOND, "{left:?}");
    // Somebody does again, but only just.
    rig.storage.beat("here").await.unwrap();
    held(&as_holder(holder("b", "first")).await);
    rig.storage.beat("here").await.unwrap();
    rig.execute("UPDATE deployments SET resume_time = resume_time - 8000")
        .await;
    won(as_holder(holder("b", "first")).await);
    // Nobody waits for what is dead.
    rig.execute("UPDATE deployments SET beat_time = 0, resume_time = 0")
        .await;
    won(as_holder(holder("b", "second")).await);
}

async fn a_takeover_leaves_the_connection_uncertain(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    claimed(&rig, &new, 1, Duration::ZERO).await;
    age(&rig, "started_at", MINUTE).await;
    let first = started_at(&rig).await;
    let uncertain = |since: Option<tokend_model::Timestamp>| {
        assert_eq!(since.unwrap().timestamp_millis(), first);
    };
    // The first of several such attempts counts.
    for _ in 0..2 {
        let next = won(claim(&rig, &new, 1, Duration::ZERO).await);
        uncertain(next.uncertain_since);
        uncertain(read(&rig, &new).await.0.refresh_health.uncertain_since);
    }
    let last = claimed(&rig, &new, 1, MINUTE).await;
    commit(&rig, &last, &renewed()).await;
    assert_eq!(
        read(&rig, &new).await.0.refresh_health.uncertain_since,
        None
    );
    let next = won(claim(&rig, &new, 2, Duration::ZERO).await);
    assert_eq!(next.uncertain_since, None);
    // Connecting anew brings another refresh token.
    assert!(
        won(claim(&rig, &new, 2, MINUTE).await)
            .uncertain_since
            .is_some()
    );
    let again = new_connection(user("ada"));
    let made = rig.storage.connect(&again, at(9)).await.unwrap();
    assert_eq!(made.refresh_health.uncertain_since, None);
    assert_eq!(
        won(claim(&rig, &new, 3, MINUTE).await).uncertain_since,
        None
    );
}

async fn what_a_failure_recorded_stands(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let refused = claimed(&rig, &new, 1, MINUTE).await;
    fail(&rig, &refused).await;
    let next = won(claim(&rig, &new, 1, MINUTE).await);
    assert_eq!(next.uncertain_since, None);
    let mut halfway = failure();
    halfway.health.uncertain_since = Some(at(7));
    rig.storage.fail(&next.claim, &halfway).await.unwrap();
    let next = won(claim(&rig, &new, 1, MINUTE).await);
    assert_eq!(next.uncertain_since, Some(at(7)));
}

async fn a_heartbeat_keeps_a_claim(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let silent = ClaimRequest {
        takeover: silent(None),
        ..request(&new, 1)
    };
    let first = won(rig.storage.claim(&silent).await.unwrap()).claim;
    age(&rig, "heartbeat_at", 9 * SECOND).await;
    assert!(rig.storage.heartbeat(&first, None).await.unwrap());
    let left = held(&rig.storage.claim(&silent).await.unwrap());
    assert!(left > 4 * SECOND, "{left:?}");
    age(&rig, "heartbeat_at", 9 * SECOND).await;
    let second = won(rig.storage.claim(&silent).await.unwrap()).claim;
    let beat = async |claim| rig.storage.heartbeat(claim, None).await.unwrap();
    assert!(!beat(&first).await);
    assert!(beat(&second).await);
    fail(&rig, &second).await;
    assert!(!beat(&second).await);
    let third = won(rig.storage.claim(&silent).await.unwrap()).claim;
    commit(&rig, &third, &renewed()).await;
    assert!(!beat(&third).await);
}

async fn a_second_call_gets_a_later_deadline(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let first = claimed(&rig, &new, 1, SECOND).await;
    let longer = rig.storage.heartbeat(&first, Some(2 * MINUTE)).await;
    assert!(longer.unwrap());
    let left = held(&claim(&rig, &new, 1, MINUTE).await);
    assert!(left > MINUTE && left <= 2 * MINUTE, "{left:?}");
    age(&rig, "deadline_at", 2 * MINUTE).await;
    claimed(&rig, &new, 1, MINUTE).await;
    let longer = rig.storage.heartbeat(&first, Some(MINUTE)).await;
    assert!(!longer.unwrap());
}

async fn a_pause_is_for_all_of_a_client(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let neighbour = new_connection(user("grace"));
    rig.storage.connect(&neighbour, at(2)).await.unwrap();
    let refused = claimed(&rig, &new, 1, MINUTE).await;
    let now = rig.storage.database_time().await.unwrap();
    let mut asked = failure();
    asked.pause = Some((registration(), now + MINUTE));
    rig.storage.fail(&refused, &asked).await.unwrap();
    for one in [&new, &neighbour] {
        match claim(&rig, one, 1, MINUTE).await {
            ClaimOutcome::Paused(left) => assert!(left <= MINUTE && left > MINUTE / 2),
            other => panic!("not paused: {other:?}"),
        }
    }
    let others = [
        ClientRegistration {
            workspace: stranger(),
            ..registration()
        },
        ClientRegistration {
            endpoint: "https://idp.example.com/other/token".to_owned(),
            ..registration()
        },
        ClientRegistration {
            client_id: "another".to_owned(),
            ..registration()
        },
    ];
    for other in others {
        let mut request = request(&neighbour, 1);
        request.registration = other;
        let free = won(rig.storage.claim(&request).await.unwrap());
        fail(&rig, &free.claim).await;
    }
    rig.execute("UPDATE client_pauses SET until_time = until_time - 60000")
        .await;
    claimed(&rig, &neighbour, 1, MINUTE).await;
}

async fn pauses_that_are_over_are_forgotten(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let refused = claimed(&rig, &new, 1, MINUTE).await;
    let now = rig.storage.database_time().await.unwrap();
    let mut asked = failure();
    asked.pause = Some((registration(), now + MINUTE));
    rig.storage.fail(&refused, &asked).await.unwrap();
    assert_eq!(rig.storage.purge_pauses().await.unwrap(), 0);
    rig.execute("UPDATE client_pauses SET until_time = until_time - 60001")
        .await;
    assert_eq!(rig.storage.purge_pauses().await.unwrap(), 1);
}

async fn the_later_end_of_a_pause_counts(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let ends = async || {
        let sql = "SELECT CAST(until_time AS TEXT) AS ends FROM client_pauses";
        rig.texts(sql, "ends").await
    };
    for (end, expected) in [(100, 100), (50, 100), (200, 200)] {
        let mut other_client = request(&new, 1);
        other_client.registration.client_id = "another".to_owned();
        let refused = won(rig.storage.claim(&other_client).await.unwrap()).claim;
        let mut asked = failure();
        asked.pause = Some((registration(), at(end)));
        rig.storage.fail(&refused, &asked).await.unwrap();
        assert_eq!(ends().await, [at(expected).timestamp_millis().to_string()]);
        // What comes too late asks for nothing.
        asked.pause = Some((registration(), at(9999)));
        rig.storage.fail(&refused, &asked).await.unwrap();
        assert_eq!(ends().await, [at(expected).timestamp_millis().to_string()]);
    }
}

async fn another_generation_cannot_be_claimed(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    assert_eq!(claim(&rig, &new, 2, MINUTE).await, ClaimOutcome::Moved);
    let mut strangers = request(&new, 1);
    strangers.workspace = crate::sample::stranger();
    let moved = rig.storage.claim(&strangers).await.unwrap();
    assert_eq!(moved, ClaimOutcome::Moved);
    rig.storage.delete(&workspace(), &new.id).await.unwrap();
    assert_eq!(claim(&rig, &new, 1, MINUTE).await, ClaimOutcome::Moved);
}

async fn the_time_told_is_the_one_that_claims_go_by(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let before = rig.storage.database_time().await.unwrap();
    claimed(&rig, &new, 1, MINUTE).await;
    let after = rig.storage.database_time().await.unwrap();
    let told = before.timestamp_millis()..=after.timestamp_millis();
    assert!(told.contains(&started_at(&rig).await));
}
