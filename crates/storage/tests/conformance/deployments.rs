//! Whose database it is.

use tokend_model::ports::{ClaimOutcome, Connections, Deployment, Deployments, StorageError};

use crate::{
    attempts::{MINUTE, claim, claimed, fail},
    rig::Rig,
    sample::{stored_connection, workspace},
};

cases!(
    a_database_belongs_to_whoever_founded_it,
    several_found_it_at_once_and_agree,
    only_its_owner_counts_the_pulse,
    adopting_counts_on_and_past_what_was_seen,
    adopting_makes_every_connection_uncertain,
    nothing_is_claimed_in_a_database_that_went_back_in_time,
    what_others_counted_is_remembered_by_whoever_claims,
    a_database_that_begins_anew_is_not_taken_for_an_old_one,
    it_knows_whether_it_holds_connections,
    there_is_one_row_only,
);

fn deployment(id: &str, adoptions: i64, pulse: i64) -> Deployment {
    Deployment {
        id: id.to_owned(),
        adoptions,
        pulse,
    }
}

async fn a_database_belongs_to_whoever_founded_it(rig: Rig) {
    assert_eq!(rig.storage.deployment().await.unwrap(), None);
    let first = deployment("first", 0, 0);
    assert_eq!(rig.storage.found("first").await.unwrap(), first);
    assert_eq!(rig.storage.found("second").await.unwrap(), first);
    assert_eq!(rig.storage.deployment().await.unwrap(), Some(first));
}

async fn several_found_it_at_once_and_agree(rig: Rig) {
    let names = ["one", "two", "three", "four"];
    let founding = names.map(|name| rig.storage.found(name));
    let told = futures::future::try_join_all(founding).await.unwrap();
    let stored = rig.storage.deployment().await.unwrap().unwrap();
    assert!(told.iter().all(|one| *one == stored), "{told:?}");
}

async fn only_its_owner_counts_the_pulse(rig: Rig) {
    let nobodys = rig.storage.beat("first").await;
    assert!(matches!(nobodys, Err(StorageError::Changed)));
    rig.storage.found("first").await.unwrap();
    let beat = rig.storage.beat("first").await.unwrap();
    assert_eq!(beat, deployment("first", 0, 1));
    let clone = rig.storage.beat("second").await.unwrap();
    assert_eq!(clone, deployment("first", 0, 1));
    let beats = [(); 5].map(|()| rig.storage.beat("first"));
    futures::future::try_join_all(beats).await.unwrap();
    let stored = rig.storage.deployment().await.unwrap();
    assert_eq!(stored, Some(deployment("first", 0, 6)));
}

async fn adopting_counts_on_and_past_what_was_seen(rig: Rig) {
    let first = rig.storage.adopt("first", 0).await.unwrap();
    assert_eq!(first, deployment("first", 1, 1));
    rig.storage.beat("first").await.unwrap();
    let second = rig.storage.adopt("second", 40).await.unwrap();
    assert_eq!(second, deployment("second", 2, 41));
    let again = rig.storage.adopt("second", 7).await.unwrap();
    assert_eq!(again, deployment("second", 3, 42));
    assert_eq!(rig.storage.deployment().await.unwrap(), Some(again));
    let old_owner = rig.storage.beat("first").await.unwrap();
    assert_eq!(old_owner.pulse, 42);
}

async fn adopting_makes_every_connection_uncertain(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let claim = format!(
        "INSERT INTO refresh_claims (connection_id, workspace, epoch, holder, base_generation, \
         started_at, heartbeat_at, deadline_at, state) \
         VALUES ('{}', 'default', 5, 'a', 1, 1, 1, 9000000000000, 'OPEN')",
        new.id
    );
    rig.execute(&claim).await;
    let uncertain = "SELECT CAST(COALESCE(uncertain_since, 0) AS TEXT) AS since FROM connections";
    assert_eq!(rig.texts(uncertain, "since").await, ["0"]);
    rig.storage.adopt("first", 0).await.unwrap();
    let since = rig.texts(uncertain, "since").await;
    let now = rig.storage.database_time().await.unwrap();
    let age = now.timestamp_millis() - since[0].parse::<i64>().unwrap();
    assert!((0..60_000).contains(&age), "{age}");
    let claims = "SELECT state || CAST(epoch AS TEXT) AS claim FROM refresh_claims";
    assert_eq!(rig.texts(claims, "claim").await, ["CLOSED6"]);
    // What was uncertain before has been so for longer.
    rig.execute("UPDATE connections SET uncertain_since = 17")
        .await;
    rig.storage.adopt("first", 0).await.unwrap();
    assert_eq!(rig.texts(uncertain, "since").await, ["17"]);
    let kept = Connections::get(&rig.storage, &workspace(), &new.id).await;
    assert!(kept.unwrap().unwrap().1.is_some(), "nothing is taken away");
}

async fn nothing_is_claimed_in_a_database_that_went_back_in_time(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    rig.storage.found("first").await.unwrap();
    rig.storage.beat("first").await.unwrap();
    let free = claimed(&rig, &new, 1, MINUTE).await;
    fail(&rig, &free).await;
    for (gone_back, and_again) in [
        ("pulse = pulse - 1", "pulse = pulse + 1"),
        ("id = 'second'", "id = 'first'"),
    ] {
        rig.execute(&format!("UPDATE deployments SET {gone_back}"))
            .await;
        let refused = claim(&rig, &new, 1, MINUTE).await;
        assert_eq!(refused, ClaimOutcome::NotOurs, "{gone_back}");
        rig.execute(&format!("UPDATE deployments SET {and_again}"))
            .await;
        let free = claimed(&rig, &new, 1, MINUTE).await;
        fail(&rig, &free).await;
    }
    // The operator adopts it elsewhere.
    rig.execute("UPDATE deployments SET pulse = 0, adoptions = adoptions + 1")
        .await;
    let free = claimed(&rig, &new, 1, MINUTE).await;
    fail(&rig, &free).await;
    rig.execute("DELETE FROM deployments").await;
    let refused = claim(&rig, &new, 1, MINUTE).await;
    assert_eq!(refused, ClaimOutcome::NotOurs);
}

async fn what_others_counted_is_remembered_by_whoever_claims(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    rig.storage.found("first").await.unwrap();
    rig.execute("UPDATE deployments SET pulse = 40").await;
    let free = claimed(&rig, &new, 1, MINUTE).await;
    fail(&rig, &free).await;
    rig.execute("UPDATE deployments SET pulse = 39").await;
    let refused = claim(&rig, &new, 1, MINUTE).await;
    assert_eq!(refused, ClaimOutcome::NotOurs);
}

async fn a_database_that_begins_anew_is_not_taken_for_an_old_one(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    rig.storage.adopt("first", 40).await.unwrap();
    rig.execute("DELETE FROM deployments").await;
    rig.storage.found("first").await.unwrap();
    claimed(&rig, &new, 1, MINUTE).await;
}

async fn it_knows_whether_it_holds_connections(rig: Rig) {
    assert!(!rig.storage.holds_connections().await.unwrap());
    stored_connection(&rig.storage).await;
    assert!(rig.storage.holds_connections().await.unwrap());
}

async fn there_is_one_row_only(rig: Rig) {
    rig.storage.found("first").await.unwrap();
    let second = "INSERT INTO deployments (only, id, adoptions, pulse) VALUES (2, 'second', 0, 0)";
    use sea_orm::ConnectionTrait;
    assert!(rig.raw.execute_unprepared(second).await.is_err());
}
