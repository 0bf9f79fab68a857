//! Accounts connected on our own page are on record, and what operators stop is stopped there too.

use reqwest::Method;
use serde_json::Value;
use tokend_api::v1::{self, SuspensionKind};
use tokend_simulator::{Browser, Consent};
use tokend_tests::{Options, Tokend, databases, definition};

use crate::{
    calls::{connect, connections, nothing_was_redeemed, start, wish},
    visitor::{self, arrive, callback_context, request},
};

/// What the pages have put on record, in its order.
fn on_record(tokend: &Tokend) -> Vec<Value> {
    let text = std::fs::read_to_string(&tokend.config.audit.file).unwrap();
    let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let by_browser = |record: &Value| record["caller_kind"] == "browser";
    records.filter(by_browser).collect()
}

fn on_our_page(tokend: &Tokend) -> v1::ConnectAppUserRequest {
    v1::ConnectAppUserRequest {
        return_url: None,
        ..wish(tokend)
    }
}

async fn complete_url(tokend: &Tokend, connector_id: &str) -> String {
    let context = callback_context(tokend, connector_id).await;
    format!("{}/oauth/complete/{context}", tokend.public_url())
}

async fn suspend(tokend: &Tokend) {
    let request = v1::SuspendRequest {
        kind: SuspensionKind::IntegrationType.into(),
        subject: "simshared".to_owned(),
        comment: "tried".to_owned(),
    };
    tokend.operator.admin().suspend(request).await.unwrap();
}

/// A connector of another integration type than that of `users`.
async fn add_other_connector(tokend: &Tokend) {
    let mut admin = tokend.operator.admin();
    let apply = v1::ApplyConnectorsRequest {
        integration_types: vec![v1::IntegrationTypeDefinition {
            integration_type: "simother".to_owned(),
            toml: definition(tokend.simulator.base_url()),
        }],
        ..Default::default()
    };
    admin.apply_connectors(apply).await.unwrap();
    let oauth_client = tokend_simulator::Client::new("client-of-others");
    let connector = v1::Connector {
        connector_id: "others".to_owned(),
        integration_type: "simother".to_owned(),
        kind: v1::ConnectorKind::AppUser.into(),
        client_id: oauth_client.id,
        client_secret: oauth_client.secret,
        ..Default::default()
    };
    let connector = Some(connector);
    let create = v1::CreateConnectorRequest { connector };
    admin.create_connector(create).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_connected_on_our_page_is_on_record_with_its_owner() {
    for database in databases() {
        let tokend = start(database).await;
        let started = connect(&tokend, "ada", on_our_page(&tokend)).await.unwrap();
        let browser = Browser::new().unwrap();
        let question = browser.open(&started.redirect_url).await.unwrap();
        assert_eq!(on_record(&tokend), [] as [Value; 0], "nothing was done yet");
        let done = browser.submit(&question).await.unwrap();
        assert_eq!(done.status, 200, "{}", done.body);
        let connection = connections(&tokend).await.remove(0);
        let listed = tokend
            .operator
            .admin()
            .list_audit_events(v1::ListAuditEventsRequest {
                connection_id: connection.connection_id.clone(),
                ..Default::default()
            })
            .await;
        let listed = listed.unwrap().into_inner().events;
        assert_eq!(listed.len(), 1, "{listed:?}");
        let event = &listed[0];
        assert_eq!(event.action(), v1::AuditAction::AuthorizationComplete);
        assert_eq!(event.outcome(), v1::AuditOutcome::Succeeded);
        assert_eq!(event.caller_kind, "browser");
        assert_eq!(event.app_user_id, "ada");
        assert_eq!(event.authorization_id, started.authorization_id);
        assert_eq!(event.connector_id, "users");
        assert_eq!(event.integration_type, "simshared");
        assert!(event.peer_address.starts_with("127.0.0.1:"), "{event:?}");
        let records = on_record(&tokend);
        assert_eq!(records.len(), 1);
        assert_eq!(
            records[0]["connection_id"],
            connection.connection_id.as_str()
        );
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_on_our_page_is_on_record_too() {
    let tokend = Tokend::start(Options::default()).await;
    let started = connect(&tokend, "ada", on_our_page(&tokend)).await.unwrap();
    let arrived = arrive(&started.redirect_url).await;
    let page = arrived.go_on().await;
    let url = complete_url(&tokend, "users").await;
    let cookie = ("cookie", arrived.cookie.as_str());
    let mut guessed = page.form();
    guessed.retain(|(name, _)| *name != "completion_token");
    guessed.push(("completion_token", "guess"));
    let answer = request(Method::POST, &url, &[cookie], &guessed).await;
    answer.is_error(403, "COMPLETION_MISMATCH");
    let foreign = [cookie, ("origin", "https://evil.example")];
    let answer = request(Method::POST, &url, &foreign, &page.form()).await;
    answer.is_error(403, "COMPLETION_MISMATCH");
    suspend(&tokend).await;
    let answer = request(Method::POST, &url, &[cookie], &page.form()).await;
    answer.is_error(403, "SUSPENDED");
    nothing_was_redeemed(&tokend).await;

    let told: Vec<_> = on_record(&tokend)
        .iter()
        .map(|record| {
            assert_eq!(record["action"], "AUTHORIZATION_COMPLETE");
            ["outcome", "reason", "app_user_id"]
                .map(|field| record[field].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(
        told,
        [
            ["DENIED", "COMPLETION_MISMATCH", "ada"],
            // Whose form it was, a foreign page does not prove.
            ["DENIED", "COMPLETION_MISMATCH", ""],
            ["DENIED", "SUSPENDED", "ada"],
        ]
    );
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_says_no_is_on_record() {
    let tokend = Tokend::start(Options::default()).await;
    let denied = Consent::Error("access_denied".to_owned());
    tokend.simulator.change(|b| b.consent = denied);
    let started = connect(&tokend, "ada", on_our_page(&tokend)).await.unwrap();
    let refused = tokend.browse(&started.redirect_url).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    let records = on_record(&tokend);
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["reason"], "AUTHORIZATION_DENIED");
    assert_eq!(records[0]["outcome"], "FAILED");
    assert_eq!(records[0]["app_user_id"], "ada");
    assert_eq!(
        records[0]["authorization_id"],
        started.authorization_id.as_str()
    );
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stopped_is_stopped_under_whatever_address() {
    for database in databases() {
        let tokend = start(database).await;
        add_other_connector(&tokend).await;
        let started = connect(&tokend, "ada", on_our_page(&tokend)).await.unwrap();
        let waiting = connect(&tokend, "bob", on_our_page(&tokend)).await.unwrap();
        let arrived = arrive(&started.redirect_url).await;
        let page = arrived.go_on().await;
        suspend(&tokend).await;
        let own = [("cookie", arrived.cookie.as_str())];
        let context = callback_context(&tokend, "users").await;
        let nowhere = complete_url(&tokend, "users").await + "-not-there";
        assert!(nowhere.contains(&context));
        for url in [complete_url(&tokend, "others").await, nowhere] {
            let answer = request(Method::POST, &url, &own, &page.form()).await;
            answer.is_error(404, "AUTHORIZATION_NOT_FOUND");
        }
        let url = complete_url(&tokend, "users").await;
        let answer = request(Method::POST, &url, &own, &page.form()).await;
        answer.is_error(403, "SUSPENDED");
        // Nor is anybody sent on to the provider.
        let answer = visitor::get(&waiting.redirect_url, "").await;
        answer.is_error(403, "SUSPENDED");
        assert_eq!(answer.cookie(), "");
        nothing_was_redeemed(&tokend).await;
        tokend.stop().await;
    }
}
