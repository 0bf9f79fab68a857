//! Answers that came too late: kept, handed out with the next claim, tried once, and removed in the end.

use std::time::Duration;

use tokend_model::{
    Generation, Secret,
    ports::{
        Claim, ClaimOutcome, CommitOutcome, Connections, NewConnection, Orphan, Refreshes, Renewed,
    },
};

use crate::{
    attempts::{MINUTE, claim, claimed, commit, fail, renewed, won},
    rig::Rig,
    sample::{at, new_connection, stored_connection, stranger, user, workspace},
};

cases!(
    an_orphan_comes_with_the_next_claim,
    an_orphan_is_tried_once,
    an_orphan_is_kept_once,
    an_orphan_belongs_to_its_generation,
    orphans_go_with_what_they_belong_to,
    an_orphan_that_does_not_open_is_left_out,
    orphans_are_kept_for_thirty_days,
);

/// An attempt that somebody else took over, who is still at it, and what it received.
async fn orphaned(rig: &Rig, new: &NewConnection, base: u32) -> (Claim, Renewed, Claim) {
    let late = claimed(rig, new, base, Duration::ZERO).await;
    let next = claimed(rig, new, base, MINUTE).await;
    let answer = renewed();
    let outcome = commit(rig, &late, &answer).await;
    assert_eq!(outcome, CommitOutcome::Orphaned);
    (late, answer, next)
}

async fn handed_out(rig: &Rig, new: &NewConnection, base: u32) -> (Claim, Option<Orphan>) {
    let claimed = won(claim(rig, new, base, MINUTE).await);
    (claimed.claim, claimed.orphan)
}

async fn all(rig: &Rig, new: &NewConnection) -> Vec<Orphan> {
    let orphans = rig.storage.orphans(&workspace(), &new.id).await;
    orphans.unwrap()
}

fn token(orphan: Option<Orphan>) -> Option<Secret> {
    orphan.map(|orphan| orphan.credential.access_token)
}

async fn an_orphan_comes_with_the_next_claim(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let (_, answer, next) = orphaned(&rig, &new, 1).await;
    fail(&rig, &next).await;
    let (claim, orphan) = handed_out(&rig, &new, 1).await;
    let orphan = orphan.unwrap();
    let mut expected = answer.credential;
    expected.generation = Generation(2);
    assert_eq!(orphan.credential, expected);
    assert!(!orphan.tried);
    assert_eq!(all(&rig, &new).await, [orphan]);
    let foreign = rig.storage.orphans(&stranger(), &new.id).await;
    assert_eq!(foreign.unwrap(), []);
    commit(&rig, &claim, &renewed()).await;
}

async fn an_orphan_is_tried_once(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let (_, first, next) = orphaned(&rig, &new, 1).await;
    fail(&rig, &next).await;
    let (_, second, next) = orphaned(&rig, &new, 1).await;
    fail(&rig, &next).await;
    for newest in [&second, &first] {
        let (claim, orphan) = handed_out(&rig, &new, 1).await;
        let orphan = orphan.unwrap();
        assert_eq!(
            orphan.credential.access_token,
            newest.credential.access_token
        );
        let foreign = Claim {
            workspace: stranger(),
            ..claim.clone()
        };
        rig.storage.mark_tried(&foreign, &orphan.id).await.unwrap();
        assert!(all(&rig, &new).await.contains(&orphan));
        rig.storage.mark_tried(&claim, &orphan.id).await.unwrap();
        assert!(!all(&rig, &new).await.contains(&orphan));
        fail(&rig, &claim).await;
    }
    assert_eq!(handed_out(&rig, &new, 1).await.1, None);
    let kept = all(&rig, &new).await;
    let tokens: Vec<_> = kept.iter().map(|it| &it.credential.access_token).collect();
    assert_eq!(
        tokens,
        [
            &second.credential.access_token,
            &first.credential.access_token
        ]
    );
    assert!(kept.iter().all(|orphan| orphan.tried));
}

async fn an_orphan_is_kept_once(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let (late, answer, next) = orphaned(&rig, &new, 1).await;
    assert_eq!(
        commit(&rig, &late, &answer).await,
        CommitOutcome::Orphaned,
        "a repetition"
    );
    assert_eq!(all(&rig, &new).await.len(), 1);
    assert_eq!(
        commit(&rig, &late, &renewed()).await,
        CommitOutcome::Orphaned,
        "another answer"
    );
    assert_eq!(all(&rig, &new).await.len(), 2);
    commit(&rig, &next, &renewed()).await;
    assert_eq!(all(&rig, &new).await.len(), 2);
}

async fn an_orphan_belongs_to_its_generation(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let (_, _, next) = orphaned(&rig, &new, 1).await;
    commit(&rig, &next, &renewed()).await;
    assert_eq!(handed_out(&rig, &new, 2).await.1, None);
    assert_eq!(all(&rig, &new).await.len(), 1);
}

async fn orphans_go_with_what_they_belong_to(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    orphaned(&rig, &new, 1).await;
    let again = new_connection(user("ada"));
    rig.storage.connect(&again, at(9)).await.unwrap();
    assert_eq!(all(&rig, &new).await, []);
    let (late, _, _) = orphaned(&rig, &new, 2).await;
    let revoked = rig.storage.revoke(&workspace(), &new.id, "BY_USER").await;
    assert_eq!(revoked.unwrap().len(), 1);
    assert_eq!(all(&rig, &new).await, []);
    assert_eq!(commit(&rig, &late, &renewed()).await, CommitOutcome::Gone);
    assert_eq!(all(&rig, &new).await, []);
    rig.storage.connect(&again, at(10)).await.unwrap();
    orphaned(&rig, &new, 3).await;
    rig.storage.delete(&workspace(), &new.id).await.unwrap();
    assert_eq!(rig.execute("DELETE FROM orphans").await, 0);
}

async fn an_orphan_that_does_not_open_is_left_out(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    for spoil in [
        "access_token = refresh_token",
        "refresh_token = access_token",
        "access_token = (SELECT c.access_token FROM credentials c)",
        "id = 'another row'",
        "base_generation = -1",
    ] {
        let (_, readable, next) = orphaned(&rig, &new, 1).await;
        fail(&rig, &next).await;
        let (_, _, next) = orphaned(&rig, &new, 1).await;
        fail(&rig, &next).await;
        let newest = all(&rig, &new).await.remove(0).id;
        let changed = format!("UPDATE orphans SET {spoil} WHERE id = '{newest}'");
        assert_eq!(rig.execute(&changed).await, 1);
        let (claim, orphan) = handed_out(&rig, &new, 1).await;
        assert_eq!(
            token(orphan),
            Some(readable.credential.access_token),
            "{spoil}"
        );
        assert_eq!(all(&rig, &new).await.len(), 1, "{spoil}");
        fail(&rig, &claim).await;
        assert_eq!(rig.execute("DELETE FROM orphans").await, 2);
    }
    assert!(matches!(
        claim(&rig, &new, 1, MINUTE).await,
        ClaimOutcome::Claimed(_)
    ));
}

async fn orphans_are_kept_for_thirty_days(rig: Rig) {
    let new = stored_connection(&rig.storage).await;
    let (_, old, next) = orphaned(&rig, &new, 1).await;
    fail(&rig, &next).await;
    let oldest = all(&rig, &new).await.remove(0);
    assert_eq!(oldest.credential.access_token, old.credential.access_token);
    let (_, young, _) = orphaned(&rig, &new, 1).await;
    assert_eq!(rig.storage.purge_orphans().await.unwrap(), 0);
    let days: i64 = 30 * 24 * 60 * 60 * 1000;
    let age = |by: i64, id: &str| {
        format!("UPDATE orphans SET create_time = create_time - {by} WHERE id = '{id}'")
    };
    rig.execute(&age(days - 60_000, &oldest.id)).await;
    assert_eq!(rig.storage.purge_orphans().await.unwrap(), 0);
    rig.execute(&age(60_001, &oldest.id)).await;
    assert_eq!(rig.storage.purge_orphans().await.unwrap(), 1);
    let left = all(&rig, &new).await;
    assert_eq!(
        token(left.into_iter().next()),
        Some(young.credential.access_token)
    );
}
