//! Imports: a grant that the owner's connection has already is not stored again.

use tokend_model::{
    ConnectionStatus, Generation, Timestamp,
    ports::{
        ClaimOutcome, CommitOutcome, Connections, Imported, NewConnection, RefreshFailure,
        Refreshes,
    },
};

use crate::{
    attempts::{MINUTE, claim, claimed, commit, failure, read, renewed},
    rig::Rig,
    sample::{at, new_connection, stored_connection, stored_connector, user, workspace},
};

cases!(
    a_first_import_is_a_connection,
    a_refresh_token_that_is_there_keeps_its_attempt_and_its_doubt,
    a_refresh_token_that_was_redeemed_does_not_replace_its_successor,
    another_refresh_token_is_the_next_generation,
    what_is_over_can_be_imported_anew,
);

async fn import(rig: &Rig, new: &NewConnection, now: Timestamp) -> Imported {
    rig.storage.import(new, now).await.unwrap()
}

/// The same grant, brought once more.
fn again(new: &NewConnection) -> NewConnection {
    let mut again = new_connection(new.owner.clone());
    again.answer.refresh_token = new.answer.refresh_token.clone();
    again
}

async fn a_first_import_is_a_connection(rig: Rig) {
    stored_connector(&rig.storage).await;
    let new = new_connection(user("ada"));
    let Imported::Stored(made) = import(&rig, &new, at(2)).await else {
        panic!("nobody had it");
    };
    let (connection, credential) = read(&rig, &new).await;
    assert_eq!((&made, made.generation), (&connection, Generation::FIRST));
    assert_eq!(credential.unwrap().refresh_token, new.answer.refresh_token);
}

async fn a_refresh_token_that_is_there_keeps_its_attempt_and_its_doubt(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let failed = claimed(&rig, &new, 1, MINUTE).await;
    let mut doubtful: RefreshFailure = failure();
    doubtful.health.uncertain_since = Some(at(5));
    rig.storage.fail(&failed, &doubtful).await.unwrap();
    let open = claimed(&rig, &new, 1, MINUTE).await;
    let before = read(&rig, &new).await;
    assert_eq!(before.0.refresh_health.uncertain_since, Some(at(5)));

    let held = import(&rig, &again(&new), at(50)).await;
    assert_eq!(held, Imported::Held(before.0.clone()));
    assert_eq!(read(&rig, &new).await, before);
    let other = claim(&rig, &new, 1, MINUTE).await;
    assert!(matches!(other, ClaimOutcome::Held(_)), "{other:?}");
    let outcome = commit(&rig, &open, &renewed()).await;
    assert_eq!(outcome, CommitOutcome::Committed);
}

async fn a_refresh_token_that_was_redeemed_does_not_replace_its_successor(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let open = claimed(&rig, &new, 1, MINUTE).await;
    commit(&rig, &open, &renewed()).await;
    let before = read(&rig, &new).await;
    let held = import(&rig, &again(&new), at(50)).await;
    assert_eq!(held, Imported::Held(before.0.clone()));
    assert_eq!(read(&rig, &new).await, before);
}

async fn another_refresh_token_is_the_next_generation(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let open = claimed(&rig, &new, 1, MINUTE).await;
    let mut without = new_connection(user("ada"));
    without.answer.refresh_token = None;
    for (generation, other) in [(2, new_connection(user("ada"))), (3, without)] {
        let Imported::Stored(made) = import(&rig, &other, at(50)).await else {
            panic!("it is another grant");
        };
        assert_eq!(made.generation, Generation(generation));
        let (connection, credential) = read(&rig, &new).await;
        assert_eq!(connection, made);
        let stored = credential.unwrap().refresh_token;
        assert_eq!(stored, other.answer.refresh_token);
    }
    let late = commit(&rig, &open, &renewed()).await;
    assert_eq!(late, CommitOutcome::Orphaned);
}

async fn what_is_over_can_be_imported_anew(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let open = claimed(&rig, &new, 1, MINUTE).await;
    commit(&rig, &open, &renewed()).await;
    let failing = claimed(&rig, &new, 2, MINUTE).await;
    let over = RefreshFailure {
        status: ConnectionStatus::Error,
        ..failure()
    };
    rig.storage.fail(&failing, &over).await.unwrap();
    // The successor is dead: the one before may work.
    let stored = import(&rig, &again(&new), at(50)).await;
    assert!(matches!(stored, Imported::Stored(_)), "{stored:?}");
    // Nothing is left of a revoked one.
    rig.storage
        .revoke(&workspace(), &new.id, "BY_USER")
        .await
        .unwrap();
    let stored = import(&rig, &again(&new), at(60)).await;
    assert!(matches!(stored, Imported::Stored(_)), "{stored:?}");
    // What can no longer be read may be replaced.
    let spoil = "UPDATE credentials SET refresh_token = access_token";
    assert_eq!(rig.execute(spoil).await, 1);
    let stored = import(&rig, &again(&new), at(70)).await;
    assert!(matches!(stored, Imported::Stored(_)), "{stored:?}");
}
