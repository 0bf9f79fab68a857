//! Imports that have yet to prove good: beside what is there, then in its place.

use tokend_model::{
    Connection, ConnectionFilter, Generation,
    ports::{
        ClaimOutcome, CommitOutcome, Connections, Imported, NewConnection, Page, Refreshes,
        Renewed, StagedImports, StorageError,
    },
};

use crate::{
    attempts::{MINUTE, claim, claimed, commit, failure, read, renewed},
    rig::Rig,
    sample::{at, new_connection, stored_connection, stored_connector, stranger, user, workspace},
};

cases!(
    the_first_grant_becomes_the_connection,
    a_proven_grant_takes_the_place_of_another,
    what_the_provider_told_comes_along,
    what_is_imported_twice_is_known,
    a_refused_grant_leaves_nothing,
    a_grant_that_may_have_been_redeemed_stays,
    a_grant_that_is_being_renewed_is_not_moved,
);

async fn staged(rig: &Rig, new: &NewConnection) -> Connection {
    match rig.storage.stage(new, at(10)).await.unwrap() {
        Imported::Stored(staged) => staged,
        Imported::Held(held) => panic!("{held:?}"),
    }
}

/// The staged grant with a successor.
async fn proven(rig: &Rig, new: &NewConnection) -> (Connection, tokend_model::Credential) {
    let staged = staged(rig, new).await;
    let held = claimed(rig, new, 1, MINUTE).await;
    let next = renewed();
    let outcome = commit(rig, &held, &next).await;
    assert_eq!(outcome, CommitOutcome::Committed);
    (staged, next.credential)
}

async fn count(rig: &Rig) -> usize {
    let page = Page {
        after: None,
        limit: 100,
    };
    let all = ConnectionFilter::default();
    let listed = rig.storage.list(&workspace(), &all, &page).await;
    listed.unwrap().len()
}

async fn the_first_grant_becomes_the_connection(rig: Rig) {
    stored_connector(&rig.storage).await;
    let new = new_connection(user("ada"));
    let (staged, next) = proven(&rig, &new).await;
    assert!(Connection::is_staged(&staged.token));
    let found = rig
        .storage
        .find(&workspace(), &new.connector_id, &new.owner, &new.label, "")
        .await;
    assert!(found.unwrap().is_none(), "it has yet to prove good");

    let promoted = rig.storage.promote(&staged.id, &new, at(20)).await;
    let promoted = promoted.unwrap().unwrap();
    assert_eq!((&promoted.id, promoted.token.as_str()), (&staged.id, ""));
    let (connection, credential) = read(&rig, &new).await;
    assert_eq!(connection, promoted);
    let credential = credential.unwrap();
    assert_eq!(credential.access_token, next.access_token);
    assert_eq!(credential.refresh_token, next.refresh_token);
    assert_eq!(credential.scopes, next.scopes);
    assert_eq!(connection.scopes, next.scopes);
    assert_eq!(connection.renewal_time, Some(at(5000)));
    assert_eq!(count(&rig).await, 1);
}

async fn a_proven_grant_takes_the_place_of_another(rig: Rig) {
    let old = stored_connection(&rig.storage).await;
    let new = new_connection(user("ada"));
    let (staged, next) = proven(&rig, &new).await;
    let before = read(&rig, &old).await;
    assert_eq!(before.0.generation, Generation::FIRST);
    assert_eq!(before.1.unwrap().refresh_token, old.answer.refresh_token);
    assert_eq!(count(&rig).await, 2);

    let promoted = rig.storage.promote(&staged.id, &new, at(20)).await;
    let promoted = promoted.unwrap().unwrap();
    assert_eq!(
        (&promoted.id, promoted.generation),
        (&old.id, Generation(2))
    );
    let (connection, credential) = read(&rig, &old).await;
    assert_eq!(connection, promoted);
    assert_eq!(credential.unwrap().refresh_token, next.refresh_token);
    assert_eq!(count(&rig).await, 1);
    let again = rig.storage.promote(&staged.id, &new, at(21)).await;
    assert_eq!(again.unwrap(), None);
}

async fn what_the_provider_told_comes_along(rig: Rig) {
    stored_connector(&rig.storage).await;
    // The first becomes the connection, the second takes its place.
    for _ in 0..2 {
        let new = new_connection(user("ada"));
        let staged = staged(&rig, &new).await;
        let held = claimed(&rig, &new, 1, MINUTE).await;
        let told = [(
            "instance_url".to_owned(),
            "https://eu.example.com".to_owned(),
        )];
        let mut learned = staged.connection_config.clone();
        learned.extend(told);
        let next = Renewed {
            connection_config: Some(learned.clone()),
            ..renewed()
        };
        let outcome = commit(&rig, &held, &next).await;
        assert_eq!(outcome, CommitOutcome::Committed);
        let promoted = rig.storage.promote(&staged.id, &new, at(20)).await;
        let promoted = promoted.unwrap().unwrap();
        assert_eq!(promoted.connection_config, learned);
    }
}

async fn what_is_imported_twice_is_known(rig: Rig) {
    stored_connection(&rig.storage).await;
    let new = new_connection(user("ada"));
    let (staged, _) = proven(&rig, &new).await;
    let mut twice = new_connection(user("ada"));
    twice.answer.refresh_token = new.answer.refresh_token.clone();
    let held = rig.storage.stage(&twice, at(11)).await.unwrap();
    assert!(
        matches!(&held, Imported::Held(it) if it.id == staged.id && it.generation == Generation(2))
    );
    let promoted = rig.storage.promote(&staged.id, &new, at(20)).await;
    let promoted = promoted.unwrap().unwrap();
    for again in [
        rig.storage.stage(&twice, at(21)).await,
        rig.storage.import(&twice, at(22)).await,
    ] {
        assert_eq!(again.unwrap(), Imported::Held(promoted.clone()));
    }
    // Another grant of the same owner has a place of its own.
    let other = new_connection(user("ada"));
    let third = new_connection(user("ada"));
    assert_ne!(staged_id(&rig, &other).await, staged_id(&rig, &third).await);
}

async fn staged_id(rig: &Rig, new: &NewConnection) -> tokend_model::ConnectionId {
    staged(rig, new).await.id
}

async fn a_refused_grant_leaves_nothing(rig: Rig) {
    let old = stored_connection(&rig.storage).await;
    let before = read(&rig, &old).await;
    let new = new_connection(user("ada"));
    let refused = staged(&rig, &new).await;
    let open = claimed(&rig, &new, 1, MINUTE).await;
    rig.storage.fail(&open, &failure()).await.unwrap();
    let elsewhere = rig.storage.discard(&stranger(), &refused.id).await;
    elsewhere.unwrap();
    assert_eq!(count(&rig).await, 2);
    rig.storage
        .discard(&workspace(), &refused.id)
        .await
        .unwrap();
    assert_eq!(count(&rig).await, 1);
    // Only what is staged goes this way.
    rig.storage.discard(&workspace(), &old.id).await.unwrap();
    assert_eq!(read(&rig, &old).await, before);
}

async fn a_grant_that_may_have_been_redeemed_stays(rig: Rig) {
    stored_connector(&rig.storage).await;
    let new = new_connection(user("ada"));
    let doubtful = staged(&rig, &new).await;
    let open = claimed(&rig, &new, 1, MINUTE).await;
    rig.storage
        .discard(&workspace(), &doubtful.id)
        .await
        .unwrap();
    assert_eq!(count(&rig).await, 1, "somebody is redeeming it");
    let mut unknown = failure();
    unknown.health.uncertain_since = Some(at(5));
    rig.storage.fail(&open, &unknown).await.unwrap();
    rig.storage
        .discard(&workspace(), &doubtful.id)
        .await
        .unwrap();
    assert_eq!(count(&rig).await, 1, "nobody knows what became of it");
    let open = claimed(&rig, &new, 1, MINUTE).await;
    commit(&rig, &open, &renewed()).await;
    rig.storage
        .discard(&workspace(), &doubtful.id)
        .await
        .unwrap();
    assert_eq!(count(&rig).await, 1, "it has a successor");
}

async fn a_grant_that_is_being_renewed_is_not_moved(rig: Rig) {
    stored_connection(&rig.storage).await;
    let new = new_connection(user("ada"));
    let (staged, _) = proven(&rig, &new).await;
    let again = claim(&rig, &new, 2, MINUTE).await;
    assert!(matches!(again, ClaimOutcome::Claimed(_)), "{again:?}");
    let promoted = rig.storage.promote(&staged.id, &new, at(20)).await;
    assert!(
        matches!(promoted, Err(StorageError::Changed)),
        "{promoted:?}"
    );
    assert_eq!(count(&rig).await, 2);
}
