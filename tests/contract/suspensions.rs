//! Kill switches: what an operator stops is stopped everywhere within seconds, and nothing is lost meanwhile.

use std::time::{Duration, Instant};

use tokend_api::v1::{self, SuspensionKind};
use tokend_client::Client;
use tokend_simulator::Browser;
use tokend_tests::{Database, Options, Tokend, databases, for_user, reason};
use tonic::{Code, Status};

use crate::answers::{eventually, instead_of, metadata, on_each_database, refused, violations};

/// F-11: how long a replica may go on.
const PROMISED: Duration = Duration::from_secs(5);

const SWITCHES: [(SuspensionKind, &str, &str); 3] = [
    (SuspensionKind::Caller, "calendar-backend", "caller"),
    (
        SuspensionKind::IntegrationType,
        "simshared",
        "integrationType",
    ),
    (SuspensionKind::Workspace, "", "workspace"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_switch_takes_hold_on_every_replica_within_five_seconds_and_lets_go_again() {
    if !databases().contains(&Database::Postgres) {
        return;
    }
    let tokend = Tokend::start(Options {
        database: Database::Postgres,
        ..Options::default()
    })
    .await;
    tokend.connect_shared().await;
    let (other, elsewhere) = tokend.replica().await;
    // Both have the token in memory.
    get(&tokend.backend).await.unwrap();
    get(&elsewhere).await.unwrap();

    for (kind, subject, told) in SWITCHES {
        let begun = Instant::now();
        suspend(&tokend, kind, subject).await.unwrap();
        let status = refused(
            get(&tokend.backend).await,
            Code::PermissionDenied,
            "SUSPENDED",
        );
        assert_eq!(metadata(&status, "suspended"), told);
        eventually("the other replica has stopped too", async || {
            let answer = get(&elsewhere).await.err()?;
            assert_eq!(reason(&answer), "SUSPENDED");
            Some(())
        })
        .await;
        let took = begun.elapsed();
        println!("F-11: {told} stopped on both replicas after {took:?}");
        assert!(took <= PROMISED, "{took:?}");

        let begun = Instant::now();
        resume(&tokend, kind, subject).await.unwrap();
        get(&tokend.backend).await.unwrap();
        eventually("the other replica goes on too", async || {
            get(&elsewhere).await.ok()
        })
        .await;
        assert!(begun.elapsed() <= PROMISED, "{:?}", begun.elapsed());
    }
    other.stop().await;
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_type_is_neither_vended_nor_connected_and_may_be_disconnected() {
    on_each_database(async |database| {
        let tokend = start(database).await;
        tokend.connect_shared().await;
        tokend.connect_user("ada").await;
        let started = tokend.start_user("bob").await;
        tokend.browse(&started.redirect_url).await;
        let returned = tokend
            .simulator
            .wait_for_return(&started.authorization_id)
            .await;
        let own_page = own_page(&tokend, "eve").await;
        suspend(&tokend, SuspensionKind::IntegrationType, "simshared")
            .await
            .unwrap();

        let stopped = |answer| is_suspended(answer, "integrationType");
        stopped(tokend.get().await.map(drop));
        stopped(tokend.get_for(&tokend.user_token("ada")).await.map(drop));
        stopped(connect(&tokend, "carol").await);
        let completed = tokend
            .backend
            .complete_app_user_connection(
                started.authorization_id.clone(),
                returned["completion_token"].as_str(),
                &tokend.user_token("bob"),
            )
            .await;
        assert_eq!(completed.unwrap_err().code, Code::PermissionDenied);
        let (browser, question) = own_page;
        let page = browser.submit(&question).await.unwrap();
        assert_eq!(page.status, 403, "{}", page.body);
        assert!(page.body.contains("SUSPENDED"), "{}", page.body);

        // Operators go on, and whoever wants to leave can.
        let list = v1::ListConnectionsRequest::default();
        let listed = tokend.operator.admin().list_connections(list).await;
        assert_eq!(listed.unwrap().into_inner().connections.len(), 2);
        let disconnect = v1::DisconnectAppUserRequest {
            connector_id: "users".to_owned(),
            ..Default::default()
        };
        let request = for_user(disconnect, &tokend.user_token("ada"));
        let mut backend = tokend.backend.connectors();
        let answer = backend.disconnect_app_user(request).await;
        assert!(answer.unwrap().into_inner().disconnected);

        // What was waiting is completed afterwards.
        resume(&tokend, SuspensionKind::IntegrationType, "simshared")
            .await
            .unwrap();
        tokend.get().await.unwrap();
        let completed = tokend
            .backend
            .complete_app_user_connection(
                started.authorization_id,
                returned["completion_token"].as_str(),
                &tokend.user_token("bob"),
            )
            .await;
        completed.unwrap();
        let page = browser.submit(&question).await.unwrap();
        assert_eq!(page.status, 200, "{}", page.body);
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_kept_out_has_nobody_s_token_looked_at_and_nothing_explained() {
    let tokend = start(Database::Sqlite).await;
    let connect = async |client: &Client| {
        let request = for_user(v1::ConnectAppUserRequest::default(), "nonsense");
        client
            .connectors()
            .connect_app_user(request)
            .await
            .map(drop)
    };
    refused(
        connect(&tokend.backend).await,
        Code::Unauthenticated,
        "APP_USER_UNAUTHENTICATED",
    );
    let elsewhere = tokend.backend.in_workspace("elsewhere").unwrap();
    refused(
        connect(&elsewhere).await,
        Code::PermissionDenied,
        "CALLER_NOT_ALLOWED",
    );
    let itself = v1::ExplainAccessRequest::default;
    let mut admin = tokend.backend.admin();
    for _ in 0..3 {
        admin.explain_access(itself()).await.unwrap();
    }
    // Told by the minute, like what is read.
    let explained = v1::ListAuditEventsRequest {
        actions: vec![v1::AuditAction::AccessExplain.into()],
        ..Default::default()
    };
    let listed = tokend.operator.admin().list_audit_events(explained).await;
    assert!(listed.unwrap().into_inner().events.len() < 3);

    suspend(&tokend, SuspensionKind::Caller, "calendar-backend")
        .await
        .unwrap();
    is_suspended(connect(&tokend.backend).await, "caller");
    is_suspended(admin.explain_access(itself()).await.map(drop), "caller");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_caller_or_workspace_stays_so_over_a_restart_and_tokens_are_renewed_meanwhile() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            configure: |config| config.vending.renew_ahead = true,
            ..Options::default()
        })
        .await;
        tokend.connect_shared().await;
        tokend.connect_user("ada").await;
        for (kind, subject, told) in [SWITCHES[0], SWITCHES[2]] {
            suspend(&tokend, kind, subject).await.unwrap();
            is_suspended(tokend.get().await.map(drop), told);
            is_suspended(connect(&tokend, "carol").await, told);
            let list = for_user(
                v1::ListAppUserConnectionsRequest::default(),
                &tokend.user_token("ada"),
            );
            let mut backend = tokend.backend.connectors();
            is_suspended(
                backend.list_app_user_connections(list).await.map(drop),
                told,
            );
            let types = v1::ListIntegrationTypesRequest::default();
            let listed = tokend.operator.admin().list_integration_types(types).await;
            assert!(listed.is_ok(), "operators go on");
            let disconnect = for_user(
                v1::DisconnectAppUserRequest {
                    connector_id: "users".to_owned(),
                    ..Default::default()
                },
                &tokend.user_token("nobody"),
            );
            let answer = backend.disconnect_app_user(disconnect).await.map(drop);
            match kind {
                SuspensionKind::Caller => is_suspended(answer, told),
                _ => answer.unwrap(),
            }
            resume(&tokend, kind, subject).await.unwrap();
        }

        suspend(&tokend, SuspensionKind::Workspace, "")
            .await
            .unwrap();
        let short = Some(Duration::from_secs(2));
        tokend
            .simulator
            .change(|behaviour| behaviour.access_token_lifetime = short);
        let tokend = tokend.restart().await;
        is_suspended(tokend.get().await.map(drop), "workspace");
        let list = v1::ListConnectionsRequest::default();
        let listed = tokend.operator.admin().list_connections(list).await;
        let connections = listed.unwrap().into_inner().connections;
        let refresh = v1::RefreshConnectionRequest {
            connection_id: connections[0].connection_id.clone(),
            ..Default::default()
        };
        tokend
            .operator
            .admin()
            .refresh_connection(refresh)
            .await
            .unwrap();
        eventually(
            "what is stopped is renewed although nobody asks",
            async || (tokend.simulator.ledger().refreshes() >= 3).then_some(()),
        )
        .await;
        resume(&tokend, SuspensionKind::Workspace, "")
            .await
            .unwrap();
        tokend.get_with(instead_of(0)).await.unwrap();
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stopped_is_listed_and_nobody_stops_themselves() {
    on_each_database(async |database| {
        let tokend = start(database).await;
        let wrong = [
            (SuspensionKind::Caller, "ops", "subject"),
            (SuspensionKind::Caller, "", "subject"),
            (SuspensionKind::Caller, "a\nb", "subject"),
            (SuspensionKind::IntegrationType, "No Type", "subject"),
            (SuspensionKind::Workspace, "default", "subject"),
            (SuspensionKind::Unspecified, "", "kind"),
        ];
        for (kind, subject, field) in wrong {
            let answer = suspend(&tokend, kind, subject).await;
            let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
            assert_eq!(violations(&status), [field], "{subject}");
        }
        let unknown = suspend(&tokend, SuspensionKind::IntegrationType, "simshare").await;
        refused(unknown, Code::NotFound, "INTEGRATION_TYPE_UNKNOWN");
        let nothing = resume(&tokend, SuspensionKind::Workspace, "").await;
        refused(nothing, Code::NotFound, "SUSPENSION_NOT_FOUND");
        let mut backend = tokend.backend.admin();
        let not_theirs = backend.suspend(v1::SuspendRequest::default()).await;
        refused(not_theirs, Code::PermissionDenied, "CALLER_NOT_ALLOWED");

        // A caller that nobody has seen yet, and one whose name is not that of another.
        let first = suspend(&tokend, SuspensionKind::Caller, "calendar-backen").await;
        let again = suspend(&tokend, SuspensionKind::Caller, "calendar-backen").await;
        assert_eq!(first.unwrap(), again.unwrap());
        suspend(&tokend, SuspensionKind::IntegrationType, "simshared")
            .await
            .unwrap();
        let listed = tokend
            .operator
            .admin()
            .list_suspensions(v1::ListSuspensionsRequest {})
            .await
            .unwrap()
            .into_inner()
            .suspensions;
        let told: Vec<_> = listed
            .iter()
            .map(|one| (one.kind(), one.subject.as_str()))
            .collect();
        assert!(told.contains(&(SuspensionKind::Caller, "calendar-backen")));
        assert!(told.contains(&(SuspensionKind::IntegrationType, "simshared")));
        assert!(
            listed
                .iter()
                .all(|one| one.suspended_by == "ops" && one.comment == "tried")
        );
        resume(&tokend, SuspensionKind::IntegrationType, "simshared")
            .await
            .unwrap();
        refused(
            tokend.get().await,
            Code::FailedPrecondition,
            "NOT_CONNECTED",
        );
        tokend.stop().await;
    })
    .await;
}

async fn start(database: Database) -> Tokend {
    Tokend::start(Options {
        database,
        ..Options::default()
    })
    .await
}

async fn get(backend: &Client) -> Result<v1::VendedConnection, Status> {
    let get = v1::GetConnectionRequest {
        integration_type: "simshared".to_owned(),
        ..Default::default()
    };
    Ok(backend.connectors().get_connection(get).await?.into_inner())
}

async fn connect(tokend: &Tokend, user: &str) -> Result<(), Status> {
    let connect = v1::ConnectAppUserRequest {
        connector_id: "users".to_owned(),
        ..Default::default()
    };
    let request = for_user(connect, &tokend.user_token(user));
    let mut connectors = tokend.backend.connectors();
    connectors.connect_app_user(request).await.map(drop)
}

/// Our own page, which asks a user whether to connect.
async fn own_page(tokend: &Tokend, user: &str) -> (Browser, tokend_simulator::Page) {
    let connect = v1::ConnectAppUserRequest {
        connector_id: "users".to_owned(),
        ..Default::default()
    };
    let request = for_user(connect, &tokend.user_token(user));
    let started = tokend.backend.connectors().connect_app_user(request).await;
    let browser = Browser::new().unwrap();
    let url = started.unwrap().into_inner().redirect_url;
    let question = browser.open(&url).await.unwrap();
    (browser, question)
}

async fn suspend(
    tokend: &Tokend,
    kind: SuspensionKind,
    subject: &str,
) -> Result<v1::Suspension, Status> {
    let request = v1::SuspendRequest {
        kind: kind.into(),
        subject: subject.to_owned(),
        comment: "tried".to_owned(),
    };
    let answer = tokend.operator.admin().suspend(request).await?;
    Ok(answer.into_inner().suspension.unwrap())
}

async fn resume(tokend: &Tokend, kind: SuspensionKind, subject: &str) -> Result<(), Status> {
    let request = v1::ResumeRequest {
        kind: kind.into(),
        subject: subject.to_owned(),
    };
    tokend.operator.admin().resume(request).await.map(drop)
}

#[track_caller]
fn is_suspended(answer: Result<(), Status>, what: &str) {
    let status = refused(answer, Code::PermissionDenied, "SUSPENDED");
    assert_eq!(metadata(&status, "suspended"), what);
}
