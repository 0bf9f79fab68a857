//! Those who are refused do not get in the way of those who are not.

use tokend_access::{AccessError, CallerRejection};
use tokio::task::JoinSet;

use super::*;

const FLOOD: usize = 3000;

fn refusal() -> AuditEvent {
    AuditEvent {
        outcome: AuditOutcome::Denied,
        reason: "CALLER_NOT_ALLOWED".to_owned(),
        ..vend()
    }
}

async fn in_database(home: &Home) -> Vec<serde_json::Value> {
    let workspace = WorkspaceName::default_workspace();
    let listed = home
        .storage
        .list(&workspace, &AuditFilter::default(), None, 10_000)
        .await;
    let listed = listed.expect("the database's trail");
    listed.iter().map(|record| read(&record.line)).collect()
}

fn read(line: &str) -> serde_json::Value {
    serde_json::from_str(line).expect("a record")
}

/// How many the records of an outcome stand for, and how many records that are.
fn told(records: &[serde_json::Value], outcome: &str) -> (usize, usize) {
    let records = records
        .iter()
        .filter(|record| record["outcome"] == outcome && record["action"] != "AUDIT_TRAIL");
    let counts: Vec<usize> = records
        .map(|record| match record["details"]["count"].as_str() {
            Some(count) => count.parse().expect("a count"),
            None => 1,
        })
        .collect();
    (counts.iter().sum(), counts.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_bad_credentials_is_counted_and_vends_go_on() {
    let home = Home::new(&[AuditSink::File, AuditSink::Database]).await;
    let audit = Arc::new(home.start().await.expect("a trail"));
    let begun = Instant::now();
    let mut flood = JoinSet::new();
    for number in 0..FLOOD {
        let audit = audit.clone();
        flood.spawn(async move {
            let error = AccessError::CallerUnauthenticated(CallerRejection::Refused);
            let peer = ([192, 0, 2, (number % 3) as u8], 1000).into();
            audit.unauthenticated(&error, Some(peer), "").await;
        });
    }
    for _ in 0..300 {
        audit.record(vend()).await.expect("on record");
    }
    flood.join_all().await;
    let seconds = begun.elapsed().as_secs() as usize + 2;
    audit.close().await;
    assert_eq!(home.verify().await.findings, []);
    let lines: Vec<_> = home.lines().iter().map(|line| read(line)).collect();
    let (sum, records) = told(&lines, "DENIED");
    assert_eq!(sum, FLOOD, "all of them are told");
    assert!(
        records <= seconds * 30 + 1,
        "{records} records in {seconds} s"
    );
    assert_eq!(told(&lines, "SUCCEEDED"), (300, 300));
    let database = in_database(&home).await;
    assert_eq!(told(&database, "DENIED"), (FLOOD, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_the_database_write_by_being_refused() {
    let mut home = Home::new(&[AuditSink::File, AuditSink::Database]).await;
    for file in ["/dev/full", "not-there"] {
        home.config.audit.file = file.into();
        if file == "not-there" {
            home.config.audit.sinks = vec![AuditSink::Database];
        }
        let audit = home.start().await.expect("a trail");
        let before = in_database(&home).await.len();
        for _ in 0..20 {
            audit.record_refusal(refusal(), true).await;
        }
        assert_eq!(in_database(&home).await.len(), before);
        audit.close().await;
        let database = in_database(&home).await;
        assert_eq!(database.len(), before + 1);
        assert_eq!(database[0]["details"]["count"], "20");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_name_what_is_not_there_are_counted_as_one() {
    let home = Home::new(&[AuditSink::File]).await;
    let audit = home.start().await.expect("a trail");
    for number in 0..50 {
        let mut event = refusal();
        event.subject.connection_id = String::new();
        event.subject.connector_id = format!("connector-{number}");
        audit.record_refusal(event.clone(), true).await;
        event.subject.connector_id = String::new();
        event.subject.integration_type = format!("type{number}");
        audit.record_refusal(event.clone(), true).await;
        event.subject.integration_type = "googlecalendar".to_owned();
        audit.record_refusal(event, true).await;
    }
    audit.close().await;
    let mut counts: Vec<_> = in_database(&home)
        .await
        .iter()
        .map(|record| {
            let subject =
                ["integration_type", "connector_id"].map(|field| record[field].to_string());
            (subject, record["details"]["count"].to_string())
        })
        .collect();
    counts.sort();
    let expected = [("", "100"), ("googlecalendar", "50")].map(|(name, count)| {
        let subject = [format!("{name:?}"), "\"\"".to_owned()];
        (subject, format!("{count:?}"))
    });
    assert_eq!(counts, expected);
    // The file has what they sent.
    assert!(
        home.lines()
            .iter()
            .any(|line| line.contains("connector-49"))
    );
}
