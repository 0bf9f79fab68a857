//! What is stored about an app user: told, and erased.

use serde_json::Value;
use tokend_api::v1;
use tokend_simulator::{Endpoint, Fault};
use tokend_tests::{Options, Tokend};
use tonic::Code;

use crate::answers::{on_each_database, refused};

async fn exported(tokend: &Tokend, user: &str) -> (String, Value) {
    let request = v1::ExportUserDataRequest {
        app_user_id: user.to_owned(),
    };
    let exported = tokend.operator.admin().export_user_data(request).await;
    let text = exported.unwrap().into_inner().user_data_json;
    let json = serde_json::from_str(&text).unwrap();
    (text, json)
}

async fn erase(tokend: &Tokend, user: &str, dry_run: bool) -> v1::EraseUserResponse {
    let request = v1::EraseUserRequest {
        app_user_id: user.to_owned(),
        dry_run,
    };
    let erased = tokend.operator.admin().erase_user(request).await;
    erased.unwrap().into_inner()
}

/// Ada's second attempt, which nobody goes on with.
async fn start_again(tokend: &Tokend) -> v1::ConnectAppUserResponse {
    let connect = v1::ConnectAppUserRequest {
        connector_id: "users".to_owned(),
        return_url: Some(tokend.simulator.app_return_url()),
        reconnect: true,
        ..Default::default()
    };
    let user_token = tokend.user_token("ada");
    let started = tokend.backend.connect_app_user(connect, &user_token).await;
    started.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_stored_about_a_user_is_told_without_a_secret() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        let connected = tokend.connect_user("ada").await;
        tokend.connect_user("bob").await;
        start_again(&tokend).await;
        let tag = v1::UpdateConnectionRequest {
            connection_id: connected.connection_id.clone(),
            tags: [("team".to_owned(), "sales".to_owned())].into(),
            ..Default::default()
        };
        let mut admin = tokend.operator.admin();
        admin.update_connection(tag).await.unwrap();

        let (text, told) = exported(&tokend, "ada").await;
        assert_eq!(told["format"], "tokend.user-data.v1");
        assert_eq!(told["appUserId"], "ada");
        let connections = told["connections"].as_array().unwrap();
        assert_eq!(connections.len(), 1);
        assert_eq!(connections[0]["connectionId"], connected.connection_id);
        assert_eq!(connections[0]["status"], "AUTHORIZED");
        assert_eq!(connections[0]["account"]["email"], "ada@example.com");
        assert_eq!(connections[0]["tags"]["team"], "sales");
        assert!(
            connections[0]["createTime"]
                .as_str()
                .unwrap()
                .ends_with('Z')
        );
        let attempts = told["authorizations"].as_array().unwrap();
        let states: Vec<_> = attempts.iter().map(|one| &one["state"]).collect();
        assert_eq!(states, ["COMPLETED", "STARTED"]);
        assert_eq!(attempts[0]["connectionId"], connected.connection_id);
        for secret in tokend.simulator.ledger().secrets_issued() {
            assert!(!text.contains(&secret), "a secret is in the export");
        }
        let (_, nobody) = exported(&tokend, "nobody").await;
        assert_eq!(nobody["connections"], Value::Array(Vec::new()));
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_user_is_gone_here_and_at_the_provider() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        let connected = tokend.connect_user("ada").await;
        tokend.connect_user("bob").await;
        let open = start_again(&tokend).await;

        let told = erase(&tokend, "ada", true).await;
        assert_eq!(told.connections[0].connection_id, connected.connection_id);
        assert_eq!((told.erased_authorizations, told.erased), (2, false));
        tokend.get_for(&tokend.user_token("ada")).await.unwrap();
        assert_eq!(tokend.simulator.ledger().live_grants().len(), 2);

        let erased = erase(&tokend, "ada", false).await;
        let [connection] = &erased.connections[..] else {
            panic!("{erased:?}");
        };
        assert_eq!(connection.integration_type, "simshared");
        assert_eq!(
            connection.provider_revocation(),
            v1::ProviderRevocation::Revoked
        );
        assert_eq!((erased.erased_authorizations, erased.erased), (2, true));
        assert_eq!(tokend.simulator.ledger().live_grants().len(), 1);
        assert!(tokend.get_for(&tokend.user_token("ada")).await.is_err());
        let (_, left) = exported(&tokend, "ada").await;
        for what in ["connections", "authorizations"] {
            assert_eq!(left[what], Value::Array(Vec::new()), "{what}");
        }
        // The link that was still open leads nowhere.
        let page = tokend.browse(&open.redirect_url).await;
        assert!(page.status >= 400, "{}", page.body);
        let again = erase(&tokend, "ada", false).await;
        assert_eq!((again.connections.len(), again.erased), (0, true));
        tokend.get_for(&tokend.user_token("bob")).await.unwrap();

        // A provider that is away keeps nobody from being erased.
        let faults = tokend.simulator.faults();
        faults.push(Endpoint::Revoke, Fault::status(503));
        let erased = erase(&tokend, "bob", false).await;
        assert_eq!(
            erased.connections[0].provider_revocation(),
            v1::ProviderRevocation::Failed
        );
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_may_ask() {
    let tokend = Tokend::start(Options::default()).await;
    let mut backend = tokend.backend.admin();
    let export = v1::ExportUserDataRequest {
        app_user_id: "ada".to_owned(),
    };
    let refusal = backend.export_user_data(export).await;
    refused(refusal, Code::PermissionDenied, "CALLER_NOT_ALLOWED");
    let erase = v1::EraseUserRequest {
        app_user_id: "ada".to_owned(),
        dry_run: true,
    };
    let refusal = backend.erase_user(erase).await;
    refused(refusal, Code::PermissionDenied, "CALLER_NOT_ALLOWED");
    tokend.stop().await;
}
