//! What operators have stopped.

use tokend_model::{
    WorkspaceName,
    ports::{NewSuspension, Suspendable, Suspension, Suspensions},
};

use crate::{
    rig::Rig,
    sample::{service, stranger, workspace},
};

cases!(
    what_is_stopped_is_known_until_it_is_resumed,
    stopping_again_changes_nothing,
    a_workspace_has_no_say_in_another,
    what_cannot_be_read_stops_its_workspace,
);

async fn what_cannot_be_read_stops_its_workspace(rig: Rig) {
    let new = stop(
        workspace(),
        Suspendable::Caller("billing".to_owned()),
        "why",
    );
    rig.storage.suspend(&new).await.unwrap();
    let newer = "UPDATE suspensions SET kind = 'CONNECTOR'";
    sea_orm::ConnectionTrait::execute_unprepared(&rig.raw, newer)
        .await
        .unwrap();
    let new = stop(stranger(), Suspendable::Caller("shop".to_owned()), "why");
    rig.storage.suspend(&new).await.unwrap();
    let mut all = rig.storage.all_suspensions().await.unwrap();
    all.sort_by_key(|it| it.workspace == stranger());
    assert_eq!(
        subjects(&all),
        [
            Suspendable::Workspace,
            Suspendable::Caller("shop".to_owned())
        ]
    );
    let listed = rig.storage.suspensions(&workspace()).await.unwrap();
    assert!(listed[0].comment.contains("CONNECTOR"), "{listed:?}");
}

fn stop(workspace: WorkspaceName, subject: Suspendable, comment: &str) -> NewSuspension {
    NewSuspension {
        workspace,
        subject,
        comment: comment.to_owned(),
        suspended_by: "ops".to_owned(),
    }
}

fn subjects(suspensions: &[Suspension]) -> Vec<Suspendable> {
    suspensions.iter().map(|one| one.subject.clone()).collect()
}

async fn what_is_stopped_is_known_until_it_is_resumed(rig: Rig) {
    let all = [
        Suspendable::Caller("spiffe://example.org/it's \"billing\"".to_owned()),
        Suspendable::IntegrationType(service("googlecalendar")),
        Suspendable::Workspace,
    ];
    for subject in &all {
        let new = stop(workspace(), subject.clone(), "stolen");
        let stopped = rig.storage.suspend(&new).await.unwrap();
        assert_eq!(
            (stopped.subject, stopped.comment, stopped.suspended_by),
            (subject.clone(), "stolen".to_owned(), "ops".to_owned())
        );
    }
    let mut listed = rig.storage.suspensions(&workspace()).await.unwrap();
    assert!(listed.is_sorted_by(|one, next| one.create_time >= next.create_time));
    assert_eq!(rig.storage.all_suspensions().await.unwrap().len(), 3);
    listed.reverse();
    assert!(
        all.iter()
            .all(|subject| subjects(&listed).contains(subject))
    );
    for (subject, left) in all.iter().zip([2, 1, 0]) {
        let resumed = rig.storage.resume(&workspace(), subject).await.unwrap();
        assert_eq!(resumed.map(|one| one.subject).as_ref(), Some(subject));
        assert_eq!(rig.storage.all_suspensions().await.unwrap().len(), left);
        let again = rig.storage.resume(&workspace(), subject).await.unwrap();
        assert_eq!(again, None);
    }
}

async fn stopping_again_changes_nothing(rig: Rig) {
    let subject = Suspendable::Caller("billing".to_owned());
    let first = stop(workspace(), subject.clone(), "first");
    let first = rig.storage.suspend(&first).await.unwrap();
    let second = stop(workspace(), subject, "second");
    assert_eq!(rig.storage.suspend(&second).await.unwrap(), first);
    assert_eq!(
        rig.storage.suspensions(&workspace()).await.unwrap(),
        [first]
    );
}

async fn a_workspace_has_no_say_in_another(rig: Rig) {
    let subject = Suspendable::Caller("billing".to_owned());
    let ours = stop(workspace(), subject.clone(), "");
    rig.storage.suspend(&ours).await.unwrap();
    assert_eq!(rig.storage.suspensions(&stranger()).await.unwrap(), []);
    let resumed = rig.storage.resume(&stranger(), &subject).await.unwrap();
    assert_eq!(resumed, None);
    assert_eq!(
        rig.storage.suspensions(&workspace()).await.unwrap().len(),
        1
    );
}
