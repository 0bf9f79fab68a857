//! Jobs that revoke many connections: who holds them, and what they have yet to do.

use std::time::Duration;

use futures::future::join_all;
use tokend_model::{
    BulkRevocationId, ConnectionId, ConnectorChange, ConnectorKind, Label,
    ports::{
        BulkRevocation, BulkRevocationState, BulkRevocations, Connections, Connectors,
        NewBulkRevocation, Progress, Report,
    },
};
use uuid::Uuid;

use crate::{
    rig::Rig,
    sample::{
        at, connector, connector_id, new_connection, service, stored_connector, stranger, user,
        workspace,
    },
};

cases!(
    a_job_has_what_was_connected_before_it,
    one_job_of_a_kind_is_under_way,
    one_replica_holds_a_job_and_another_goes_on_with_it,
    what_is_left_counts_whoever_revoked_it,
    a_report_written_twice_or_late_counts_nothing_twice,
    what_is_there_all_the_same_keeps_a_job_from_being_done,
    a_cancelled_job_stays_so,
    another_workspace_knows_nothing_of_it,
    a_hundred_thousand_are_queued_at_once,
);

const LEASE: Duration = Duration::from_secs(60);

fn job(connector: Option<&str>) -> NewBulkRevocation {
    NewBulkRevocation {
        id: BulkRevocationId::from_uuid(Uuid::now_v7()),
        workspace: workspace(),
        integration_type: service("googlecalendar"),
        connector_id: connector.map(connector_id),
        comment: "the client leaked".to_owned(),
        started_by: "ops".to_owned(),
    }
}

/// Connected long ago, and none of the other type.
async fn connected(rig: &Rig, labels: &[&str]) -> Vec<ConnectionId> {
    let mut ids = Vec::new();
    for label in labels {
        let mut new = new_connection(user("ada"));
        new.label = Label::new(*label).unwrap();
        let connection = rig.storage.connect(&new, at(0)).await.unwrap();
        ids.push(connection.id);
    }
    let connected = "UPDATE connections SET authorize_time = 1000";
    rig.execute(connected).await;
    ids.sort();
    ids
}

async fn left(rig: &Rig, job: &BulkRevocation) -> Vec<ConnectionId> {
    rig.storage.yet_to_revoke(job, None, 100).await.unwrap()
}

async fn start(rig: &Rig, new: &NewBulkRevocation) -> BulkRevocation {
    rig.storage.start_bulk_revocation(new).await.unwrap()
}

async fn report(rig: &Rig, job: &BulkRevocation, progress: Progress) -> Option<BulkRevocation> {
    report_of(rig, job, "one", 1, progress).await
}

async fn report_of(
    rig: &Rig,
    job: &BulkRevocation,
    holder: &str,
    provider_failed: u64,
    progress: Progress,
) -> Option<BulkRevocation> {
    let report = Report {
        provider_failed,
        left_out: 0,
    };
    let jobs = &rig.storage;
    let reported = jobs.report_bulk_revocation(job, holder, report, progress);
    reported.await.unwrap()
}

async fn a_job_has_what_was_connected_before_it(rig: Rig) {
    stored_connector(&rig.storage).await;
    let mut mail = connector("mail", ConnectorKind::AppUser);
    mail.integration_type = service("outlook");
    let second = connector("second", ConnectorKind::AppUser);
    let changes = [mail, second].map(ConnectorChange::Create);
    let applied = rig.storage.apply(&workspace(), &changes, &[], at(0)).await;
    applied.unwrap();
    let mut mail = new_connection(user("ada"));
    (mail.connector_id, mail.integration_type) = (connector_id("mail"), service("outlook"));
    rig.storage.connect(&mail, at(0)).await.unwrap();
    let mut second = new_connection(user("ada"));
    second.connector_id = connector_id("second");
    let second = rig.storage.connect(&second, at(0)).await.unwrap();
    let ids = connected(&rig, &["a", "b", "c"]).await;
    rig.storage
        .revoke(&workspace(), &ids[0], "OVER")
        .await
        .unwrap();

    let under_one = start(&rig, &job(Some("calendar"))).await;
    assert_eq!((under_one.total, under_one.revoked), (2, 0));
    assert_eq!(under_one.state, BulkRevocationState::Queued);
    assert_eq!(left(&rig, &under_one).await, ids[1..]);
    let after = rig.storage.yet_to_revoke(&under_one, Some(&ids[1]), 100);
    assert_eq!(after.await.unwrap(), ids[2..]);
    let of_type = start(&rig, &job(None)).await;
    assert_eq!(of_type.total, 3);
    assert!(left(&rig, &of_type).await.contains(&second.id));

    // Connected anew since.
    rig.execute(&format!(
        "UPDATE connections SET authorize_time = {} WHERE id = '{}'",
        of_type.create_time.timestamp_millis() + 1,
        ids[1]
    ))
    .await;
    assert_eq!(left(&rig, &under_one).await, ids[2..]);
}

async fn one_job_of_a_kind_is_under_way(rig: Rig) {
    let news: Vec<_> = (0..8).map(|_| job(None)).collect();
    let started = join_all(news.iter().map(|new| start(&rig, new))).await;
    assert!(started.iter().all(|job| job.id == started[0].id));
    assert_ne!(start(&rig, &job(Some("calendar"))).await.id, started[0].id);
    let cancelled = rig
        .storage
        .cancel_bulk_revocation(&workspace(), &started[0].id)
        .await;
    assert!(cancelled.unwrap().is_some());
    let next = start(&rig, &job(None)).await;
    assert_ne!(next.id, started[0].id);
    let listed = rig
        .storage
        .bulk_revocations(&workspace(), 100)
        .await
        .unwrap();
    assert_eq!(listed.len(), 3);
    assert!(listed.is_sorted_by(|one, other| one.create_time >= other.create_time));
    let newest = rig.storage.bulk_revocations(&workspace(), 1).await.unwrap();
    assert_eq!(newest.len(), 1);
}

async fn one_replica_holds_a_job_and_another_goes_on_with_it(rig: Rig) {
    let take = async |holder: &str| {
        let taken = rig.storage.take_bulk_revocation(holder, LEASE).await;
        taken.unwrap().map(|job| job.id)
    };
    assert_eq!(take("one").await, None);
    let queued = start(&rig, &job(None)).await;
    let id = Some(queued.id.clone());
    let all = join_all(["one", "two", "three"].map(take)).await;
    assert_eq!(all.iter().filter(|taken| **taken == id).count(), 1);
    assert_eq!(take("four").await, None);
    // Nobody heard of its holder for long.
    rig.execute("UPDATE bulk_revocations SET lease_until = 1, holder = 'dead'")
        .await;
    assert_eq!(take("one").await, id);
    let dead = report_of(&rig, &queued, "dead", 0, Progress::GoesOn(LEASE));
    assert_eq!(dead.await, None);
    let goes_on = report(&rig, &queued, Progress::GoesOn(LEASE)).await;
    assert_eq!(goes_on.unwrap().state, BulkRevocationState::Running);
    assert_eq!(take("two").await, None);
    let let_go = Progress::LetsGo(Duration::ZERO);
    report(&rig, &queued, let_go).await.unwrap();
    // A report of its own from before, which comes late, keeps nobody from it.
    let late = report(&rig, &queued, Progress::GoesOn(LEASE));
    assert_eq!(late.await, None);
    assert_eq!(taken_in_time(&rig, "two").await, id);
    // Let go for a while.
    let rests = Progress::LetsGo(LEASE);
    report_of(&rig, &queued, "two", 1, rests).await.unwrap();
    assert_eq!(take("three").await, None);
}

async fn what_is_left_counts_whoever_revoked_it(rig: Rig) {
    stored_connector(&rig.storage).await;
    let ids = connected(&rig, &["a", "b", "c", "d"]).await;
    let queued = start(&rig, &job(None)).await;
    rig.storage
        .take_bulk_revocation("one", LEASE)
        .await
        .unwrap();
    for id in &ids[..2] {
        rig.storage.revoke(&workspace(), id, "OVER").await.unwrap();
    }
    // Revoked, and its holder died before it could say so.
    let told = report(&rig, &queued, Progress::GoesOn(LEASE))
        .await
        .unwrap();
    assert_eq!((told.total, told.revoked, told.provider_failed), (4, 2, 1));
    rig.storage.delete(&workspace(), &ids[2]).await.unwrap();
    rig.storage
        .revoke(&workspace(), &ids[3], "OVER")
        .await
        .unwrap();
    let done = report(&rig, &queued, Progress::IsDone).await.unwrap();
    assert_eq!((done.revoked, done.provider_failed), (4, 1));
    assert_eq!(done.state, BulkRevocationState::Done);
    assert!(done.end_time.is_some());
    let taken = rig.storage.take_bulk_revocation("two", LEASE).await;
    assert_eq!(taken.unwrap(), None);
    let over = rig
        .storage
        .cancel_bulk_revocation(&workspace(), &queued.id)
        .await;
    assert_eq!(over.unwrap(), Some(done));
}

async fn a_report_written_twice_or_late_counts_nothing_twice(rig: Rig) {
    let queued = start(&rig, &job(None)).await;
    let jobs = &rig.storage;
    jobs.take_bulk_revocation("one", LEASE).await.unwrap();
    for (failed, told) in [(3, 3), (3, 3), (5, 5), (3, 5)] {
        let now = report_of(&rig, &queued, "one", failed, Progress::GoesOn(LEASE)).await;
        assert_eq!(now.unwrap().provider_failed, told);
    }
    let left_out = Report {
        provider_failed: 5,
        left_out: 2,
    };
    let now = jobs.report_bulk_revocation(&queued, "one", left_out, Progress::GoesOn(LEASE));
    assert_eq!(now.await.unwrap().unwrap().left_out, 2);
}

async fn what_is_there_all_the_same_keeps_a_job_from_being_done(rig: Rig) {
    stored_connector(&rig.storage).await;
    let ids = connected(&rig, &["a", "b"]).await;
    let queued = start(&rig, &job(None)).await;
    let jobs = &rig.storage;
    jobs.take_bulk_revocation("one", LEASE).await.unwrap();
    jobs.revoke(&workspace(), &ids[1], "OVER").await.unwrap();
    let told = report(&rig, &queued, Progress::IsDone).await.unwrap();
    assert_eq!(
        (told.state, told.end_time),
        (BulkRevocationState::Running, None)
    );
    assert!(taken_in_time(&rig, "two").await.is_some(), "it goes on");
    jobs.revoke(&workspace(), &ids[0], "OVER").await.unwrap();
    let done = report_of(&rig, &queued, "two", 0, Progress::IsDone).await;
    assert_eq!(done.unwrap().state, BulkRevocationState::Done);
}

/// The job that is there to be taken as soon as the clock has gone on.
async fn taken_in_time(rig: &Rig, holder: &str) -> Option<BulkRevocationId> {
    for _ in 0..1000 {
        let taken = rig.storage.take_bulk_revocation(holder, LEASE).await;
        if let Some(job) = taken.unwrap() {
            return Some(job.id);
        }
    }
    None
}

async fn a_cancelled_job_stays_so(rig: Rig) {
    let queued = start(&rig, &job(None)).await;
    rig.storage
        .take_bulk_revocation("one", LEASE)
        .await
        .unwrap();
    let cancelled = rig
        .storage
        .cancel_bulk_revocation(&workspace(), &queued.id)
        .await;
    let cancelled = cancelled.unwrap().unwrap();
    assert_eq!(cancelled.state, BulkRevocationState::Cancelled);
    let let_go = Progress::LetsGo(Duration::ZERO);
    for progress in [Progress::GoesOn(LEASE), Progress::IsDone, let_go] {
        let told = report(&rig, &queued, progress).await.unwrap();
        assert_eq!(told.state, BulkRevocationState::Cancelled);
        assert_eq!(told.end_time, cancelled.end_time);
    }
    let taken = rig.storage.take_bulk_revocation("two", LEASE).await;
    assert_eq!(taken.unwrap(), None);
}

async fn another_workspace_knows_nothing_of_it(rig: Rig) {
    let queued = start(&rig, &job(None)).await;
    let found = rig.storage.bulk_revocation(&stranger(), &queued.id).await;
    assert_eq!(found.unwrap(), None);
    let cancelled = rig
        .storage
        .cancel_bulk_revocation(&stranger(), &queued.id)
        .await;
    assert_eq!(cancelled.unwrap(), None);
    let listed = rig.storage.bulk_revocations(&stranger(), 100).await;
    assert_eq!(listed.unwrap(), []);
    let found = rig.storage.bulk_revocation(&workspace(), &queued.id).await;
    assert_eq!(found.unwrap(), Some(queued));
}

/// F-24.
async fn a_hundred_thousand_are_queued_at_once(rig: Rig) {
    const MANY: u64 = 100_000;
    stored_connector(&rig.storage).await;
    connected(&rig, &["a"]).await;
    let numbers = match rig.is_postgres() {
        true => format!("SELECT n FROM generate_series(2, {MANY}) AS n"),
        false => format!(
            "WITH RECURSIVE numbers(n) AS (VALUES (2) UNION ALL SELECT n + 1 FROM numbers WHERE n < {MANY}) \
             SELECT n FROM numbers"
        ),
    };
    let columns = "connector_id, integration_type, owner_kind, owner_user, token, status, status_reason, \
        connection_config, scopes, generation, expiry, expire_time, consecutive_failures, create_time, authorize_time, \
        refresh_time, workspace";
    let made = rig
        .execute(&format!(
            "INSERT INTO connections (id, label, {columns}) SELECT 'conn_' || numbered.n, 'l' || numbered.n, {columns} \
             FROM connections CROSS JOIN ({numbers}) AS numbered"
        ))
        .await;
    assert_eq!(made, MANY - 1);
    let begun = std::time::Instant::now();
    let queued = start(&rig, &job(None)).await;
    let took = begun.elapsed();
    println!("F-24: {MANY} connections queued in {took:?}");
    assert_eq!(queued.total, MANY);
    assert!(took < Duration::from_secs(10), "{took:?}");
}
