//! The audit trail as operators see it: a record for every token, every refusal, every act.

use std::{collections::BTreeMap, fs, time::Instant};

use serde_json::Value;
use tokend_api::v1;
use tokend_server::{
    config::{AuditSink, Config},
    verify_audit_database, verify_audit_files,
};
use tokend_tests::{Options, Tokend, for_user};
use tonic::Code;

use crate::answers::{eventually, refused, retry_delay};

fn records(tokend: &Tokend) -> Vec<Value> {
    let text = fs::read_to_string(&tokend.config.audit.file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn vends(tokend: &Tokend) -> Vec<Value> {
    let mut records = records(tokend);
    records.retain(|record| record["action"] == "VEND");
    records
}

async fn list(tokend: &Tokend, request: v1::ListAuditEventsRequest) -> v1::ListAuditEventsResponse {
    let mut admin = tokend.operator.admin();
    admin.list_audit_events(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_token_and_every_refusal_is_on_record_with_what_it_was_about() {
    let tokend = Tokend::start(Options::default()).await;
    let connection = tokend.connect_shared().await;
    let vended = tokend.get().await.unwrap();
    let again = tokend.get().await.unwrap();
    assert_eq!(vended.access_token, again.access_token);
    let ada = tokend.connect_user("ada").await;
    tokend.get_for(&tokend.user_token("ada")).await.unwrap();
    // Refused, failed, and by somebody unknown.
    let elsewhere = tokend.backend.in_workspace("elsewhere").unwrap();
    let get = |integration_type: &str| v1::GetConnectionRequest {
        integration_type: integration_type.to_owned(),
        ..Default::default()
    };
    let answer = elsewhere
        .connectors()
        .get_connection(get("simshared"))
        .await;
    refused(answer, Code::PermissionDenied, "CALLER_NOT_ALLOWED");
    let injected = "x\r\n{\"sequence\":1}\u{1b}[2J";
    let answer = tokend
        .backend
        .connectors()
        .get_connection(get(injected))
        .await;
    refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    let no_user = for_user(
        v1::GetCurrentAppUserConnectionRequest::default(),
        "nonsense",
    );
    let answer = tokend
        .backend
        .connectors()
        .get_current_app_user_connection(no_user)
        .await;
    refused(answer, Code::Unauthenticated, "APP_USER_UNAUTHENTICATED");
    // A batch is as many as its items.
    let shared = |name: &str| v1::ConnectionSelector {
        selector: Some(v1::connection_selector::Selector::Shared(get(name))),
    };
    let batch = v1::BatchGetConnectionsRequest {
        selectors: vec![shared("simshared"), shared("no-such-type")],
    };
    tokend
        .backend
        .connectors()
        .batch_get_connections(batch)
        .await
        .unwrap();

    let vends = vends(&tokend);
    let outcomes: Vec<_> = vends
        .iter()
        .map(|vend| {
            (
                vend["outcome"].as_str().unwrap(),
                vend["reason"].as_str().unwrap(),
            )
        })
        .collect();
    let mut expected = BTreeMap::new();
    for outcome in &outcomes {
        *expected.entry(*outcome).or_insert(0) += 1;
    }
    let counts: Vec<_> = expected.into_iter().collect();
    assert_eq!(
        counts,
        [
            (("DENIED", "CALLER_NOT_ALLOWED"), 1),
            (("FAILED", "INTEGRATION_TYPE_UNKNOWN"), 1),
            (("FAILED", "INVALID_FIELD"), 1),
            (("SUCCEEDED", ""), 4),
        ]
    );
    let first = &vends[0];
    assert_eq!(first["caller"], "calendar-backend");
    assert_eq!(first["caller_kind"], "api-key");
    assert_eq!(first["connection_id"], connection.connection_id.as_str());
    assert_eq!(first["integration_type"], "simshared");
    assert_eq!(first["generation"], 1);
    assert_eq!(first["scopes"], serde_json::json!(vended.scopes));
    let fingerprint = first["token_fingerprint"].as_str().unwrap();
    assert_eq!(fingerprint.len(), 32);
    assert_eq!(vends[1]["token_fingerprint"], fingerprint, "the same token");
    assert_eq!(vends[2]["app_user_id"], "ada");
    assert_eq!(vends[2]["app_user_issuer"], tokend.simulator.app_issuer());
    assert_eq!(vends[2]["connection_id"], ada.connection_id.as_str());
    assert_ne!(vends[2]["token_fingerprint"], fingerprint);
    let injected_vend = vends.iter().find(|vend| vend["reason"] == "INVALID_FIELD");
    assert_eq!(injected_vend.unwrap()["integration_type"], injected);
    let text = fs::read_to_string(&tokend.config.audit.file).unwrap();
    assert!(!text.contains(&vended.access_token));
    assert!(records(&tokend).iter().any(|record| {
        record["action"] == "AUTHENTICATION" && record["reason"] == "APP_USER_UNAUTHENTICATED"
    }));

    let config = tokend.config.clone();
    let kept = tokend.stop().await;
    let verified = verify_audit_files(&config, std::slice::from_ref(&config.audit.file), true);
    assert_eq!(verified.await.unwrap().findings, []);
    let verified = verify_audit_database(&config, "default").await.unwrap();
    assert_eq!(verified.findings, []);
    drop(kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_are_listed_with_what_they_made_and_by_what_is_asked_for() {
    let tokend = Tokend::start(Options::default()).await;
    let connection = tokend.connect_shared().await;
    tokend.connect_user("ada").await;
    let all = list(&tokend, v1::ListAuditEventsRequest::default()).await;
    let made = |action: v1::AuditAction| {
        let events = all.events.iter();
        events
            .filter(|event| event.action() == action)
            .cloned()
            .collect::<Vec<_>>()
    };
    let started = made(v1::AuditAction::AuthorizationStart);
    assert_eq!(started.len(), 2);
    assert!(
        started
            .iter()
            .all(|event| !event.authorization_id.is_empty())
    );
    let completed = made(v1::AuditAction::AuthorizationComplete);
    let shared = completed
        .iter()
        .find(|event| event.caller == "ops")
        .unwrap();
    assert_eq!(shared.connection_id, connection.connection_id);
    assert_eq!(shared.outcome(), v1::AuditOutcome::Succeeded);
    assert!(!shared.hash.is_empty() && !shared.event_id.is_empty());

    // Page by page, the oldest first, is all of it, without gaps.
    let (mut sequences, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = list(
            &tokend,
            v1::ListAuditEventsRequest {
                oldest_first: true,
                page_size: 2,
                page_token: page_token.clone(),
                actions: vec![
                    v1::AuditAction::AuthorizationStart.into(),
                    v1::AuditAction::AuthorizationComplete.into(),
                    v1::AuditAction::ConnectorUpdate.into(),
                ],
                ..Default::default()
            },
        )
        .await;
        sequences.extend(page.events.iter().map(|event| event.sequence));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    // Two accounts connected, and a set applied, with one definition.
    assert_eq!(sequences.len(), 6, "{sequences:?}");
    assert!(sequences.is_sorted());
    for (request, count) in [
        (
            v1::ListAuditEventsRequest {
                app_user_id: "ada".to_owned(),
                ..Default::default()
            },
            2,
        ),
        (
            v1::ListAuditEventsRequest {
                caller: "ops".to_owned(),
                outcome: v1::AuditOutcome::Denied.into(),
                ..Default::default()
            },
            0,
        ),
        (
            v1::ListAuditEventsRequest {
                connection_id: connection.connection_id.clone(),
                ..Default::default()
            },
            1,
        ),
    ] {
        assert_eq!(list(&tokend, request).await.events.len(), count);
    }
    let mut admin = tokend.operator.admin();
    let unset = v1::ListAuditEventsRequest {
        actions: vec![0],
        ..Default::default()
    };
    let answer = admin.list_audit_events(unset).await;
    refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    tokend.stop().await;
}

fn file_only(config: &mut Config) {
    config.audit.sinks = vec![AuditSink::File];
    config.audit.sink_timeout_seconds = 1;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_leaves_without_its_record() {
    let options = Options {
        configure: file_only,
        ..Options::default()
    };
    let tokend = Tokend::start(options).await;
    tokend.connect_shared().await;
    tokend.get().await.unwrap();
    // Where the file was there is a pipe that nobody reads: opening it hangs.
    let file = &tokend.config.audit.file;
    fs::rename(file, tokend.home.path().join("moved")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(file).status();
    assert!(made.unwrap().success());
    let unavailable = eventually("the pipe is noticed", async || tokend.get().await.err()).await;
    let status = refused(
        Err::<(), _>(unavailable),
        Code::Unavailable,
        "AUDIT_UNAVAILABLE",
    );
    assert!(retry_delay(&status).is_some());
    let asked = Instant::now();
    for _ in 0..20 {
        let status = refused(tokend.get().await, Code::Unavailable, "AUDIT_UNAVAILABLE");
        assert!(retry_delay(&status).is_some());
    }
    assert!(asked.elapsed().as_secs() < 1, "nobody waits for it again");
    // Nothing is done either that would not be on record.
    let started = tokend
        .operator
        .admin()
        .start_authorization(v1::StartAuthorizationRequest {
            integration_type: "simshared".to_owned(),
            ..Default::default()
        })
        .await;
    refused(started, Code::Unavailable, "AUDIT_UNAVAILABLE");

    let pipe = file.clone();
    let reader = tokio::task::spawn_blocking(move || fs::read_to_string(pipe));
    eventually("the pipe takes records", async || tokend.get().await.ok()).await;
    tokend.stop().await;
    let read = reader.await.unwrap().unwrap();
    let vended = read.lines().filter(|line| {
        line.contains("\"action\":\"VEND\"") && line.contains("\"outcome\":\"SUCCEEDED\"")
    });
    assert!(vended.count() >= 1, "{read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_full_disk_the_database_takes_the_records() {
    let options = Options {
        configure: |config| config.audit.file = "/dev/full".into(),
        ..Options::default()
    };
    let tokend = Tokend::start(options).await;
    tokend.connect_shared().await;
    for _ in 0..10 {
        tokend.get().await.unwrap();
    }
    let vends = list(
        &tokend,
        v1::ListAuditEventsRequest {
            actions: vec![v1::AuditAction::Vend.into()],
            ..Default::default()
        },
    );
    let vends = vends.await.events;
    assert_eq!(vends.len(), 10);
    assert!(vends.iter().all(|vend| !vend.token_fingerprint.is_empty()));
    tokend.stop().await;
}
