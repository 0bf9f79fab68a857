//! F-24: revoking all connections of an integration type, as a job that any replica carries out.

use std::time::{Duration, Instant};

use sqlx::{Connection, SqliteConnection};
use tokend_api::v1::{self, BulkRevocationState};
use tokend_client::Client;
use tokend_server::config::Config;
use tokend_simulator::{Endpoint, Fault, Happening};
use tokend_tests::{Database, Options, Tokend, databases};
use tonic::{Code, Status};

use crate::{
    answers::{eventually, metadata, on_each_database, refused},
    many::{Class, client_of, import_many},
};

/// What the provider bears: a job gets three quarters of it.
const A_SECOND: u32 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn all_grants_of_a_type_end_at_the_provider_no_faster_than_it_bears() {
    on_each_database(async |database| {
        let tokend = start(database, limited).await;
        let gone = import_many(&tokend, Class::Strict, "leaked", 200).await;
        let kept = import_many(&tokend, Class::Strict, "kept", 3).await;
        let asked = Instant::now();
        let job = begin(&tokend, "leaked", "").await.unwrap();
        println!("queued in {:?}", asked.elapsed());
        assert_eq!((job.total_count, job.revoked_count), (200, 0));
        assert_eq!(
            (job.started_by.as_str(), job.comment.as_str()),
            ("ops", "tried")
        );
        let again = begin(&tokend, "leaked", "").await.unwrap();
        assert_eq!(again.bulk_revocation_id, job.bulk_revocation_id);
        // Connected after it began.
        let later = import_more(&tokend, "leaked").await;

        let mut seen = Vec::new();
        let done = until(&tokend.operator, &job, |job| {
            seen.push(job.revoked_count);
            job.state() == BulkRevocationState::Done
        })
        .await;
        assert_eq!((done.revoked_count, done.provider_failed_count), (200, 0));
        assert!(done.end_time.is_some());
        assert!(
            seen.is_sorted() && seen.iter().any(|count| (1..200).contains(count)),
            "{seen:?}"
        );

        let ledger = tokend.simulator.ledger();
        let mut alive: Vec<_> = ledger
            .live_grants()
            .into_iter()
            .map(|grant| grant.family)
            .collect();
        let mut expected: Vec<_> = kept
            .iter()
            .chain([&later])
            .map(|account| ledger.family_of(&account.tokens.access_token).unwrap())
            .collect();
        alive.sort();
        expected.sort();
        assert_eq!(alive, expected);
        let times: Vec<_> = ledger
            .events()
            .into_iter()
            .filter(|event| matches!(event.what, Happening::GrantRevoked { .. }))
            .map(|event| event.elapsed)
            .collect();
        assert_eq!(times.len(), 200, "each grant is ended once");
        let busiest = busiest_second(&times);
        println!("{database:?}: at most {busiest} of {A_SECOND} in a second");
        assert!(busiest <= A_SECOND as usize, "{busiest}");

        for account in &gone {
            let status = account.get(&tokend.backend).await.unwrap_err();
            assert_eq!(status.code(), Code::FailedPrecondition);
        }
        kept[0].get(&tokend.backend).await.unwrap();
        later.get(&tokend.backend).await.unwrap();
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stops_leaves_the_rest_to_another_and_cancelling_stops_both() {
    if !databases().contains(&Database::Postgres) {
        return;
    }
    let tokend = start(Database::Postgres, limited).await;
    import_many(&tokend, Class::Strict, "leaked", 300).await;
    let job = begin(&tokend, "leaked", "").await.unwrap();
    until(&tokend.operator, &job, |job| job.revoked_count >= 20).await;
    // Whoever is left goes on: the first replica holds the job, as it was alone when it took it.
    let (other, _) = tokend.replica().await;
    let operator = tokend.operator_at(&other).await;
    let (simulator, _home) = tokend.stop().await;
    let at_stop = get(&operator, &job).await.unwrap();
    assert_eq!(at_stop.state(), BulkRevocationState::Running);
    let later = until(&operator, &job, |job| {
        job.revoked_count >= at_stop.revoked_count + 20
    })
    .await;
    assert!(later.revoked_count < later.total_count, "{later:?}");

    let cancel = v1::CancelBulkRevocationRequest {
        bulk_revocation_id: job.bulk_revocation_id.clone(),
    };
    let cancelled = operator.admin().cancel_bulk_revocation(cancel).await;
    let cancelled = cancelled.unwrap().into_inner().bulk_revocation.unwrap();
    assert_eq!(cancelled.state(), BulkRevocationState::Cancelled);
    let begun = Instant::now();
    let (mut alive, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_secs(2) {
        let now = simulator.ledger().live_grants().len();
        if now != alive {
            (alive, since) = (now, Instant::now());
        }
        assert!(begun.elapsed() < Duration::from_secs(8), "it goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(alive > 0, "something is left");
    let left = get(&operator, &job).await.unwrap();
    assert_eq!(left.state(), BulkRevocationState::Cancelled);
    assert_eq!(left.total_count - left.revoked_count, alive as i64);
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_whom_the_provider_cannot_be_told_is_counted_and_ended_here() {
    let tokend = start(Database::Sqlite, |_| {}).await;
    let accounts = import_many(&tokend, Class::Strict, "leaked", 20).await;
    let faults = tokend.simulator.faults_of(&client_of("leaked"));
    let refusal = Fault::error(400, "unsupported_token_type");
    faults.always(Endpoint::Revoke, Some(refusal));
    let job = begin(&tokend, "leaked", "leaked").await.unwrap();
    let done = until(&tokend.operator, &job, |job| {
        job.state() == BulkRevocationState::Done
    })
    .await;
    assert_eq!((done.revoked_count, done.provider_failed_count), (20, 20));
    for account in &accounts {
        let status = account.get(&tokend.backend).await;
        refused(status, Code::FailedPrecondition, "NOT_CONNECTED");
    }
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_revoked_keeps_it_from_being_done() {
    let tokend = start(Database::Sqlite, |_| {}).await;
    import_many(&tokend, Class::Strict, "leaked", 5).await;
    let accounts = tokend.simulator.ledger().live_grants().len();
    change(&tokend, "UPDATE connections SET expiry = 'unread:' || expiry WHERE id = (SELECT MIN(id) FROM connections)").await;
    let job = begin(&tokend, "leaked", "").await.unwrap();
    let stuck = until(&tokend.operator, &job, |job| !job.obstacle.is_empty()).await;
    assert_eq!(
        (stuck.state(), stuck.revoked_count),
        (BulkRevocationState::Running, 4)
    );
    assert!(stuck.obstacle.contains("tried again: 1"), "{stuck:?}");
    assert_eq!(tokend.simulator.ledger().live_grants().len(), accounts - 4);

    change(
        &tokend,
        "UPDATE connections SET expiry = SUBSTR(expiry, 8) WHERE expiry LIKE 'unread:%'",
    )
    .await;
    let done = until(&tokend.operator, &job, |job| {
        job.state() == BulkRevocationState::Done
    })
    .await;
    assert_eq!((done.revoked_count, done.obstacle.as_str()), (5, ""));
    assert_eq!(tokend.simulator.ledger().live_grants().len(), accounts - 5);
    tokend.stop().await;
}

/// Changes rows of the database, as a restored or damaged one would have them.
async fn change(tokend: &Tokend, statement: &'static str) {
    let url = &tokend.config.database.url;
    let mut database = SqliteConnection::connect(url).await.unwrap();
    let changed = sqlx::query(statement).execute(&mut database).await;
    assert_eq!(changed.unwrap().rows_affected(), 1, "{statement}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_names_must_be_there() {
    let tokend = start(Database::Sqlite, |_| {}).await;
    let unknown = begin(&tokend, "simshare", "").await;
    refused(unknown, Code::NotFound, "INTEGRATION_TYPE_UNKNOWN");
    let no_connector = begin(&tokend, "simshared", "nobody").await;
    refused(no_connector, Code::NotFound, "CONNECTOR_NOT_FOUND");
    let of_another = begin(&tokend, "github", "users").await;
    refused(of_another, Code::NotFound, "CONNECTOR_NOT_FOUND");
    let mut none = v1::BulkRevocation {
        bulk_revocation_id: "bulk_0".to_owned(),
        ..Default::default()
    };
    let status = get(&tokend.operator, &none).await;
    let status = refused(status, Code::NotFound, "BULK_REVOCATION_NOT_FOUND");
    assert_eq!(metadata(&status, "bulkRevocationId"), "bulk_0");
    none.bulk_revocation_id = "conn_0".to_owned();
    let status = get(&tokend.operator, &none).await;
    refused(status, Code::InvalidArgument, "INVALID_FIELD");
    let mut backend = tokend.backend.admin();
    let start = v1::StartBulkRevocationRequest::default();
    let not_theirs = backend.start_bulk_revocation(start).await;
    refused(not_theirs, Code::PermissionDenied, "CALLER_NOT_ALLOWED");

    // Nothing to do is done at once.
    let job = begin(&tokend, "simshared", "").await.unwrap();
    let done = until(&tokend.operator, &job, |job| {
        job.state() == BulkRevocationState::Done
    })
    .await;
    assert_eq!(done.total_count, 0);
    let list = v1::ListBulkRevocationsRequest {};
    let listed = tokend.operator.admin().list_bulk_revocations(list).await;
    assert_eq!(listed.unwrap().into_inner().bulk_revocations, [done]);
    tokend.stop().await;
}

fn limited(config: &mut Config) {
    config.oauth.max_calls_per_second = A_SECOND;
}

async fn start(database: Database, configure: fn(&mut Config)) -> Tokend {
    Tokend::start(Options {
        database,
        configure,
        ..Options::default()
    })
    .await
}

async fn begin(
    tokend: &Tokend,
    integration_type: &str,
    connector_id: &str,
) -> Result<v1::BulkRevocation, Status> {
    let start = v1::StartBulkRevocationRequest {
        integration_type: integration_type.to_owned(),
        connector_id: connector_id.to_owned(),
        comment: "tried".to_owned(),
    };
    let started = tokend.operator.admin().start_bulk_revocation(start).await?;
    Ok(started.into_inner().bulk_revocation.unwrap())
}

async fn get(operator: &Client, job: &v1::BulkRevocation) -> Result<v1::BulkRevocation, Status> {
    let get = v1::GetBulkRevocationRequest {
        bulk_revocation_id: job.bulk_revocation_id.clone(),
    };
    let found = operator.admin().get_bulk_revocation(get).await?;
    Ok(found.into_inner().bulk_revocation.unwrap())
}

async fn until(
    operator: &Client,
    job: &v1::BulkRevocation,
    mut is_there: impl FnMut(&v1::BulkRevocation) -> bool,
) -> v1::BulkRevocation {
    eventually("the job gets there", async || {
        let found = get(operator, job).await.unwrap();
        is_there(&found).then_some(found)
    })
    .await
}

/// One more connection under a connector that has some.
async fn import_more(tokend: &Tokend, connector: &str) -> crate::many::Account {
    let place = (connector.to_owned(), "later".to_owned());
    crate::many::import(tokend, [place]).await.remove(0)
}

/// The most of these times within any second.
fn busiest_second(times: &[Duration]) -> usize {
    let within = |from: &Duration| {
        let second = *from..*from + Duration::from_secs(1);
        times.iter().filter(|time| second.contains(*time)).count()
    };
    times.iter().map(within).max().unwrap_or_default()
}
