//! Tags and categories: changed by operators, and found by.

use std::collections::HashMap;

use tokend_api::v1;
use tokend_tests::{Options, Tokend};
use tonic::Code;

use crate::answers::{on_each_database, refused, violations};

fn tags(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

async fn listed(tokend: &Tokend, request: v1::ListConnectionsRequest) -> Vec<String> {
    let listed = tokend.operator.admin().list_connections(request).await;
    let users = listed.unwrap().into_inner().connections;
    users.into_iter().map(|one| one.app_user_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_tags_connections_and_finds_them() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        let ada = tokend.connect_user("ada").await;
        tokend.connect_user("bob").await;
        let mut admin = tokend.operator.admin();
        let request = |etag: &str, pairs| v1::UpdateConnectionRequest {
            connection_id: ada.connection_id.clone(),
            tags: tags(pairs),
            etag: etag.to_owned(),
        };
        let given = request(&ada.etag, &[("team", "sales"), ("tier", "gold")]);
        let updated = admin.update_connection(given.clone()).await.unwrap();
        let updated = updated.into_inner().connection.unwrap();
        assert_eq!(updated.tags, given.tags);
        assert_ne!(updated.etag, ada.etag);
        let stale = admin.update_connection(given).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        let wrong = admin.update_connection(request("", &[("Team", "x")])).await;
        let status = refused(wrong, Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(violations(&status), ["tags"]);

        let by_tags = |pairs| v1::ListConnectionsRequest {
            tags: tags(pairs),
            ..Default::default()
        };
        assert_eq!(
            listed(&tokend, by_tags(&[("team", "sales")])).await,
            ["ada"]
        );
        let both = by_tags(&[("team", "sales"), ("tier", "silver")]);
        assert_eq!(listed(&tokend, both).await, Vec::<String>::new());
        let many = v1::ListConnectionsRequest {
            tags: (0..17).map(|n| (format!("t{n}"), String::new())).collect(),
            ..Default::default()
        };
        let refusal = refused(
            admin.list_connections(many).await,
            Code::InvalidArgument,
            "INVALID_FIELD",
        );
        assert_eq!(violations(&refusal), ["tags"]);
        // Another grant leaves them.
        let grant = tokend
            .simulator
            .grant("client-of-users", "ada", &["events.read"]);
        let import = v1::ImportConnectionRequest {
            connector_id: "users".to_owned(),
            app_user_id: "ada".to_owned(),
            access_token: grant.access_token,
            ..Default::default()
        };
        admin.import_connection(import).await.unwrap();
        assert_eq!(listed(&tokend, by_tags(&[("tier", "gold")])).await, ["ada"]);
        admin.update_connection(request("", &[])).await.unwrap();
        let none = listed(&tokend, by_tags(&[("tier", "gold")])).await;
        assert_eq!(none, Vec::<String>::new());
        let gone = v1::UpdateConnectionRequest {
            connection_id: "conn_1".to_owned(),
            ..Default::default()
        };
        let gone = admin.update_connection(gone).await;
        refused(gone, Code::NotFound, "CONNECTION_NOT_FOUND");
        tokend.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_found_by_the_category_of_their_type() {
    on_each_database(async |database| {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend.connect_user("ada").await;
        for (category, expected) in [("developer", &["ada"][..]), ("calendar", &[]), ("no", &[])] {
            let request = v1::ListConnectionsRequest {
                category: category.to_owned(),
                ..Default::default()
            };
            assert_eq!(listed(&tokend, request).await, expected, "{category}");
        }
        tokend.stop().await;
    })
    .await;
}
