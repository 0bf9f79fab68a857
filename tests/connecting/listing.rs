//! What an app user sees of connectors and connections: each one once, connected or not, and never a token.

use tokend_api::v1;
use tokend_tests::{Tokend, databases};
use tonic::Code;

use crate::{
    answers::refused,
    calls::{complete, consented, get, list, start, wish},
};

#[tokio::test(flavor = "multi_thread")]
async fn connectors_are_listed_connected_or_not() {
    for database in databases() {
        let tokend = start(database).await;
        add_notion(&tokend).await;
        let before = listed(&tokend, "ada", Default::default()).await;
        let ids: Vec<_> = before.iter().map(|row| row.connector_id.as_str()).collect();
        assert_eq!(
            ids,
            ["pages", "users"],
            "the shared connector is not the user's"
        );
        assert!(
            before
                .iter()
                .all(|row| !row.connected && row.connection_id.is_empty())
        );

        let connection = tokend.connect_user("ada").await;
        get(&tokend, "ada", Default::default()).await.unwrap();
        let after = listed(&tokend, "ada", Default::default()).await;
        let [pages, users] = after.as_slice() else {
            panic!("{after:?}");
        };
        assert_eq!(pages, &before[0]);
        assert!(users.connected);
        assert_eq!(users.connection_id, connection.connection_id);
        assert_eq!(users.status(), v1::ConnectionStatus::Authorized);
        assert_eq!(users.account.as_ref().unwrap().name, "Ada Example");
        assert_eq!(users.scopes, ["events.read"]);
        assert!(users.authorize_time.is_some() && users.expire_time.is_some());
        assert_eq!(
            (users.category.as_str(), users.display_name.as_str()),
            ("developer", "Simulated")
        );
        assert_eq!(
            listed(&tokend, "bob", Default::default()).await,
            before,
            "{database:?}"
        );

        let seen = format!("{after:?}");
        for secret in tokend.simulator.ledger().secrets_issued() {
            assert!(!seen.contains(&secret), "a list carries a secret");
        }
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged() {
    for database in databases() {
        let tokend = start(database).await;
        add_notion(&tokend).await;
        tokend.connect_user("ada").await;
        let labelled = v1::ConnectAppUserRequest {
            label: Some("work".to_owned()),
            ..wish(&tokend)
        };
        let returned = consented(&tokend, "ada", labelled).await;
        complete(&tokend, "ada", &returned).await.unwrap();

        type Filter = v1::ListAppUserConnectionsRequest;
        let authorized = v1::ConnectionStatus::Authorized as i32;
        let revoked = v1::ConnectionStatus::Revoked as i32;
        for (filter, expected) in [
            (Filter::default(), vec!["pages", "users", "users"]),
            (category("productivity"), vec!["pages"]),
            (category("developer"), vec!["users", "users"]),
            (category("calendar"), vec![]),
            (of_type("notion"), vec!["pages"]),
            (of_type("simshared"), vec!["users", "users"]),
            (of_type("nosuchtype"), vec![]),
            (with_statuses(&[authorized]), vec!["users", "users"]),
            (with_statuses(&[revoked]), vec![]),
            (
                with_statuses(&[revoked, authorized]),
                vec!["users", "users"],
            ),
        ] {
            let rows = listed(&tokend, "ada", filter.clone()).await;
            let ids: Vec<_> = rows.iter().map(|row| row.connector_id.as_str()).collect();
            assert_eq!(ids, expected, "{filter:?}");
        }

        let all = listed(&tokend, "ada", Default::default()).await;
        let (mut pages, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = Filter {
                page_size: 1,
                page_token,
                ..Default::default()
            };
            let page = list(&tokend, "ada", request).await.unwrap();
            assert_eq!(page.connections.len(), 1);
            pages.extend(page.connections);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(pages, all, "{database:?}");
        let negative = Filter {
            page_size: -1,
            ..Default::default()
        };
        refused(
            list(&tokend, "ada", negative).await,
            Code::InvalidArgument,
            "INVALID_FIELD",
        );
        tokend.stop().await;
    }
}

async fn listed(
    tokend: &Tokend,
    user: &str,
    request: v1::ListAppUserConnectionsRequest,
) -> Vec<v1::AppUserConnection> {
    let mut rows = list(tokend, user, request).await.unwrap().connections;
    for row in &mut rows {
        // Uses are written in batches: not what is asked here.
        row.last_use_time = None;
    }
    rows
}

fn category(category: &str) -> v1::ListAppUserConnectionsRequest {
    v1::ListAppUserConnectionsRequest {
        category: category.to_owned(),
        ..Default::default()
    }
}

fn of_type(name: &str) -> v1::ListAppUserConnectionsRequest {
    v1::ListAppUserConnectionsRequest {
        integration_type: name.to_owned(),
        ..Default::default()
    }
}

fn with_statuses(statuses: &[i32]) -> v1::ListAppUserConnectionsRequest {
    v1::ListAppUserConnectionsRequest {
        statuses: statuses.to_vec(),
        ..Default::default()
    }
}

/// A second app-user connector, of a type of the catalogue.
async fn add_notion(tokend: &Tokend) {
    let oauth_client = tokend_simulator::Client::new("client-of-pages");
    let connector = v1::Connector {
        connector_id: "pages".to_owned(),
        integration_type: "notion".to_owned(),
        kind: v1::ConnectorKind::AppUser.into(),
        client_id: oauth_client.id,
        client_secret: oauth_client.secret,
        ..Default::default()
    };
    let request = v1::CreateConnectorRequest {
        connector: Some(connector),
    };
    tokend
        .operator
        .admin()
        .create_connector(request)
        .await
        .unwrap();
}
