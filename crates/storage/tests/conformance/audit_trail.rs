//! The audit trail's chains.

use std::sync::Arc;

use tokend_model::{
    AuditAction, AuditActor, AuditEvent, AuditOutcome, AuditSubject, WorkspaceName,
    ports::{
        AuditAnchor, AuditFilter, AuditPlace, AuditSeal, AuditTrail, SealedAuditRecord,
        StorageError,
    },
};

use crate::{
    rig::Rig,
    sample::{at, workspace},
};

cases!(
    whoever_appends_there_is_no_gap,
    records_are_found_by_what_they_are_about,
    old_records_go_and_the_chain_goes_on,
    an_anchor_never_goes_back,
);

/// Seals with nothing, so that the place can be read from the line.
struct Plain;

impl AuditSeal for Plain {
    fn seal(
        &self,
        event: &AuditEvent,
        place: &AuditPlace,
    ) -> Result<SealedAuditRecord, StorageError> {
        let AuditPlace {
            sequence,
            previous_hash,
            ..
        } = place;
        Ok(SealedAuditRecord {
            line: format!("{previous_hash}>{sequence} {}", event.id),
            hash: sequence.to_string(),
        })
    }
}

fn event(id: &str, second: i64) -> Arc<AuditEvent> {
    Arc::new(AuditEvent {
        id: id.to_owned(),
        time: at(second),
        workspace: workspace(),
        action: AuditAction::ConnectorCreate,
        outcome: AuditOutcome::Succeeded,
        reason: String::new(),
        actor: AuditActor::default(),
        subject: AuditSubject::default(),
        scopes: Vec::new(),
        policy_ids: Vec::new(),
        token_fingerprint: String::new(),
        details: Default::default(),
    })
}

async fn append(rig: &Rig, workspace: &WorkspaceName, events: Vec<Arc<AuditEvent>>) {
    let appended = rig.storage.append(workspace, events, Arc::new(Plain));
    appended.await.unwrap();
}

async fn lines(rig: &Rig, filter: &AuditFilter) -> Vec<String> {
    let listed = AuditTrail::list(&rig.storage, &workspace(), filter, None, 1000).await;
    let listed = listed.unwrap();
    listed.into_iter().map(|record| record.line).collect()
}

fn oldest_first() -> AuditFilter {
    AuditFilter {
        oldest_first: true,
        ..AuditFilter::default()
    }
}

async fn whoever_appends_there_is_no_gap(rig: Rig) {
    let elsewhere = WorkspaceName::new("elsewhere").unwrap();
    append(&rig, &elsewhere, vec![event("x", 1)]).await;
    let appends = (0..20).map(|_| {
        let rig = rig.clone();
        async move { append(&rig, &workspace(), vec![event("a", 1), event("b", 1)]).await }
    });
    futures::future::join_all(appends).await;
    let expected: Vec<String> = (1..=40)
        .map(|sequence| {
            let before = match sequence {
                1 => String::new(),
                _ => (sequence - 1).to_string(),
            };
            let id = if sequence % 2 == 1 { "a" } else { "b" };
            format!("{before}>{sequence} {id}")
        })
        .collect();
    assert_eq!(lines(&rig, &oldest_first()).await, expected);
    let next = rig.storage.next_place(&workspace()).await.unwrap();
    assert_eq!((next.sequence, next.previous_hash.as_str()), (41, "40"));
    let workspaces = rig.storage.workspaces().await.unwrap();
    assert_eq!(workspaces.len(), 2);
    assert!(workspaces.contains(&elsewhere));
}

async fn records_are_found_by_what_they_are_about(rig: Rig) {
    let mut odd = (*event("odd", 5)).clone();
    odd.action = AuditAction::Vend;
    odd.outcome = AuditOutcome::Denied;
    // No PostgreSQL text holds a NUL; a caller may send one.
    odd.actor.caller = "nul\0'; DROP TABLE audit_records; --".to_owned();
    odd.actor.app_user_id = "ada".to_owned();
    odd.subject.integration_type = "slack".to_owned();
    odd.subject.connector_id = "users".to_owned();
    odd.subject.connection_id = "c".to_owned();
    append(&rig, &workspace(), vec![event("plain", 1), Arc::new(odd)]).await;
    let all = AuditFilter::default;
    for filter in [
        AuditFilter {
            start: Some(at(5)),
            ..all()
        },
        AuditFilter {
            actions: vec![AuditAction::Vend, AuditAction::Refresh],
            ..all()
        },
        AuditFilter {
            outcome: Some(AuditOutcome::Denied),
            ..all()
        },
        AuditFilter {
            app_user_id: "ada".to_owned(),
            ..all()
        },
        AuditFilter {
            connector_id: "users".to_owned(),
            ..all()
        },
        AuditFilter {
            connection_id: "c".to_owned(),
            ..all()
        },
        AuditFilter {
            integration_type: "slack".to_owned(),
            ..all()
        },
    ] {
        assert_eq!(lines(&rig, &filter).await, ["1>2 odd"], "{filter:?}");
    }
    let before = AuditFilter {
        end: Some(at(5)),
        ..all()
    };
    assert_eq!(lines(&rig, &before).await, [">1 plain"]);
    assert_eq!(
        lines(&rig, &all()).await,
        ["1>2 odd", ">1 plain"],
        "the newest first"
    );
    let behind = AuditTrail::list(&rig.storage, &workspace(), &all(), Some(2), 1).await;
    assert_eq!(behind.unwrap()[0].sequence, 1);
    let behind = AuditTrail::list(&rig.storage, &workspace(), &oldest_first(), Some(1), 1).await;
    assert_eq!(behind.unwrap()[0].sequence, 2);
}

async fn old_records_go_and_the_chain_goes_on(rig: Rig) {
    let last = async |second| {
        let last = rig.storage.last_before(&workspace(), at(second)).await;
        last.unwrap()
    };
    assert_eq!(last(100).await, None);
    append(
        &rig,
        &workspace(),
        vec![event("a", 1), event("b", 9), event("c", 2)],
    )
    .await;
    assert_eq!(last(1).await, None);
    // What is old and stands behind what is not stays.
    assert_eq!(last(5).await, Some((1, "1".to_owned())));
    assert_eq!(last(100).await, Some((3, "3".to_owned())));
    assert_eq!(
        rig.storage.remove_through(&workspace(), 3).await.unwrap(),
        3
    );
    append(&rig, &workspace(), vec![event("d", 9)]).await;
    assert_eq!(lines(&rig, &oldest_first()).await, ["3>4 d"]);
}

async fn an_anchor_never_goes_back(rig: Rig) {
    let anchor = |sequence: i64| AuditAnchor {
        stream: "file".to_owned(),
        sequence,
        hash: sequence.to_string(),
        place: "audit.jsonl".to_owned(),
        time: at(sequence),
    };
    assert_eq!(rig.storage.anchor_of("file").await.unwrap(), None);
    for sequence in [3, 7, 5] {
        rig.storage.anchor(&anchor(sequence)).await.unwrap();
    }
    assert_eq!(
        rig.storage.anchor_of("file").await.unwrap(),
        Some(anchor(7))
    );
}
