//! Acts as the audit trail has them: none without its record, however its caller left, and each with what it was about.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use serde_json::Value;
use tokend_api::v1::{self, AuditAction};
use tokend_simulator::Mischief;
use tokend_tests::{Options, Tokend, for_user};
use tokio::time::timeout;
use tonic::Code;

use crate::{
    answers::{eventually, now, on_each_database, refused},
    applying::apply,
};

/// What went well, the oldest first.
async fn succeeded(tokend: &Tokend, action: AuditAction) -> Vec<v1::AuditEvent> {
    let request = v1::ListAuditEventsRequest {
        actions: vec![action.into()],
        outcome: v1::AuditOutcome::Succeeded.into(),
        oldest_first: true,
        page_size: 1000,
        ..Default::default()
    };
    let listed = tokend.operator.admin().list_audit_events(request).await;
    listed.unwrap().into_inner().events
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_on_an_act_leaves_its_record() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        let connection = tokend.connect_shared().await;
        let slow = Some(Mischief {
            delay: Some(Duration::from_secs(1)..=Duration::from_secs(1)),
            ..Mischief::default()
        });
        tokend
            .simulator
            .change_client("client-of-simshared", |client| client.mischief = slow);
        let refresh = v1::RefreshConnectionRequest {
            connection_id: connection.connection_id.clone(),
            ..Default::default()
        };
        let mut admin = tokend.operator.admin();
        let call = admin.refresh_connection(refresh);
        let left = timeout(Duration::from_millis(400), call).await;
        assert!(left.is_err(), "the caller was answered");
        let recorded = eventually("it is on record", async || {
            succeeded(&tokend, AuditAction::Refresh).await.pop()
        });
        assert_eq!(recorded.await.connection_id, connection.connection_id);
        assert_eq!(tokend.get().await.unwrap().generation, 2);
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_callers_left_behind_was_recorded() {
    let tokend = Tokend::start(Options::default()).await;
    let mut random = fastrand::Rng::with_seed(7);
    let calls = (0..60).map(|number| {
        let connect = v1::ConnectAppUserRequest {
            connector_id: "users".to_owned(),
            label: Some(format!("label-{number}")),
            return_url: Some(tokend.simulator.app_return_url()),
            ..Default::default()
        };
        let mut request = for_user(connect, &tokend.user_token("ada"));
        // Half hang up, and half have a deadline that passes.
        let patience = Duration::from_micros(random.u64(500..60_000));
        let deadline = number % 2 == 0;
        if deadline {
            request.set_timeout(patience);
        }
        let mut backend = tokend.backend.connectors();
        async move {
            let call = backend.connect_app_user(request);
            match deadline {
                true => call.await.is_ok(),
                false => timeout(patience, call).await.is_ok(),
            }
        }
    });
    let answered = join_all(calls).await;
    println!(
        "{} of 60 answered",
        answered.into_iter().filter(|it| *it).count()
    );
    eventually("every attempt is on record", async || {
        let export = v1::ExportUserDataRequest {
            app_user_id: "ada".to_owned(),
        };
        let exported = tokend.operator.admin().export_user_data(export).await;
        let document = exported.unwrap().into_inner().user_data_json;
        let document: Value = serde_json::from_str(&document).unwrap();
        let attempts = document["authorizations"].as_array().unwrap().iter();
        let made: BTreeSet<_> = attempts
            .map(|attempt| attempt["authorizationId"].as_str().unwrap().to_owned())
            .collect();
        let recorded = succeeded(&tokend, AuditAction::AuthorizationStart).await;
        let recorded: BTreeSet<_> = recorded
            .into_iter()
            .map(|event| event.authorization_id)
            .collect();
        (made == recorded).then_some(())
    })
    .await;
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_of_an_act_on_many_is_on_record_by_its_name() {
    let tokend = Tokend::start(Options::default()).await;
    let created = succeeded(&tokend, AuditAction::ConnectorCreate).await;
    let ids: Vec<_> = created.iter().map(|it| it.connector_id.as_str()).collect();
    assert_eq!(ids, ["simshared", "users"]);
    assert!(created.iter().all(|it| it.integration_type == "simshared"));

    let mut set = tokend.connectors();
    set.connectors.truncate(1);
    set.connectors[0].scopes.push("events.write".to_owned());
    set.prune = true;
    let dry = v1::ApplyConnectorsRequest {
        dry_run: true,
        ..set.clone()
    };
    apply(&tokend, dry).await.unwrap();
    let updates = succeeded(&tokend, AuditAction::ConnectorUpdate).await;
    assert_eq!(updates.last().unwrap().details["dryRun"], "true");
    assert!(
        succeeded(&tokend, AuditAction::ConnectorDelete)
            .await
            .is_empty()
    );
    apply(&tokend, set).await.unwrap();
    let updates = succeeded(&tokend, AuditAction::ConnectorUpdate).await;
    let [.., defined, updated, whole] = &updates[..] else {
        panic!("{updates:?}");
    };
    assert_eq!(defined.details["defined"], "integrationType");
    assert_eq!(defined.integration_type, "simshared");
    assert_eq!(updated.connector_id, "simshared");
    let fields = &updated.details["changedFields"];
    assert!(fields.split(' ').any(|it| it == "scopes"), "{fields}");
    assert_eq!(whole.details["dryRun"], "false");
    let deleted = succeeded(&tokend, AuditAction::ConnectorDelete).await;
    let [deleted] = &deleted[..] else {
        panic!("{deleted:?}");
    };
    assert_eq!(deleted.connector_id, "users");
    apply(&tokend, tokend.connectors()).await.unwrap();

    let start = |integration_type: &str, connector_id: &str, app_user_id: &str| {
        v1::StartAuthorizationRequest {
            integration_type: integration_type.to_owned(),
            connector_id: connector_id.to_owned(),
            app_user_id: app_user_id.to_owned(),
            ..Default::default()
        }
    };
    let requests = vec![
        start("simshared", "", ""),
        start("no-such-type", "", ""),
        start("", "users", "ada"),
    ];
    let batch = v1::BatchStartAuthorizationsRequest { requests };
    let mut admin = tokend.operator.admin();
    admin.batch_start_authorizations(batch).await.unwrap();
    let started = succeeded(&tokend, AuditAction::AuthorizationStart).await;
    let [shared, of_ada] = &started[..] else {
        panic!("{started:?}");
    };
    assert_eq!(shared.integration_type, "simshared");
    assert_eq!(
        (of_ada.connector_id.as_str(), of_ada.app_user_id.as_str()),
        ("users", "ada")
    );
    assert!(started.iter().all(|it| !it.authorization_id.is_empty()));
    let file = std::fs::read_to_string(&tokend.config.audit.file).unwrap();
    let failed = |line: &&str| {
        line.contains("\"action\":\"AUTHORIZATION_START\"") && line.contains("no-such-type")
    };
    assert_eq!(file.lines().filter(failed).count(), 1);

    let client = "client-of-users";
    let grant = tokend.simulator.grant(client, "eve", &["events.read"]);
    let import = v1::ImportConnectionRequest {
        connector_id: "users".to_owned(),
        app_user_id: "eve".to_owned(),
        access_token: grant.access_token,
        expire_time: Some((now() + Duration::from_secs(3600)).into()),
        ..Default::default()
    };
    admin.import_connection(import).await.unwrap();
    let imported = succeeded(&tokend, AuditAction::ConnectionImport).await;
    assert_eq!(imported[0].app_user_id, "eve");
    for dry_run in [true, false] {
        let erase = v1::EraseUserRequest {
            app_user_id: "eve".to_owned(),
            dry_run,
        };
        admin.erase_user(erase).await.unwrap();
    }
    let erased = succeeded(&tokend, AuditAction::UserErase).await;
    let runs: Vec<_> = erased
        .iter()
        .map(|it| it.details["dryRun"].as_str())
        .collect();
    assert_eq!(runs, ["true", "false"]);
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_connect_is_on_record_before_it_leaves() {
    let tokend = Tokend::start(Options::default()).await;
    let get = v1::GetCurrentAppUserConnectionRequest {
        connector_id: "users".to_owned(),
        connect_return_url: tokend.simulator.app_return_url(),
        ..Default::default()
    };
    let request = for_user(get, &tokend.user_token("ada"));
    let mut backend = tokend.backend.connectors();
    let answer = backend.get_current_app_user_connection(request).await;
    let status = refused(answer, Code::FailedPrecondition, "NOT_CONNECTED");
    let told = crate::answers::metadata(&status, "authorizationId");
    let recorded = succeeded(&tokend, AuditAction::AuthorizationStart).await;
    let [recorded] = &recorded[..] else {
        panic!("{recorded:?}");
    };
    assert_eq!(recorded.authorization_id, told);
    assert_eq!(
        (recorded.caller.as_str(), recorded.app_user_id.as_str()),
        ("calendar-backend", "ada")
    );
    tokend.stop().await;
}
