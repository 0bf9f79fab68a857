//! Connectors, one by one: what operators set up, read back, change and remove.

use tokend_api::v1;
use tokend_tests::{Options, Tokend, databases};
use tonic::Code;
use uuid::Uuid;

use crate::answers::{metadata, refused, violations};

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_is_created_and_read_back_without_its_secret() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        let mut admin = tokend.operator.admin();
        let draft = app_user_connector("calendar");
        let create = v1::CreateConnectorRequest {
            connector: Some(draft.clone()),
        };
        let created = admin
            .create_connector(create.clone())
            .await
            .unwrap()
            .into_inner();
        let created = created.connector.unwrap();
        assert_eq!(
            (created.client_secret.as_str(), created.client_secret_set),
            ("", true)
        );
        assert_eq!(
            (&created.client_id, &created.scopes),
            (&draft.client_id, &draft.scopes)
        );
        assert_eq!(created.kind(), v1::ConnectorKind::AppUser);
        assert!(
            created.redirect_uri.starts_with(tokend.public_url()),
            "{}",
            created.redirect_uri
        );
        assert!(
            created.redirect_uri.contains("/oauth/callback/"),
            "{}",
            created.redirect_uri
        );
        assert!(!created.etag.is_empty());
        assert_eq!(read(&tokend, "calendar").await, created, "{database:?}");

        let twice = admin.create_connector(create).await;
        let status = refused(twice, Code::AlreadyExists, "CONNECTOR_EXISTS");
        assert_eq!(metadata(&status, "connectorId"), "calendar");
        let second_shared = v1::Connector {
            connector_id: "another".to_owned(),
            kind: v1::ConnectorKind::Shared.into(),
            ..app_user_connector("another")
        };
        let create = v1::CreateConnectorRequest {
            connector: Some(second_shared),
        };
        let answer = admin.create_connector(create).await;
        refused(answer, Code::AlreadyExists, "CONNECTOR_EXISTS");
        let get = v1::GetConnectorRequest {
            connector_id: "another".to_owned(),
        };
        refused(
            admin.get_connector(get).await,
            Code::NotFound,
            "CONNECTOR_NOT_FOUND",
        );
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_gets_an_id_of_its_own_where_none_is_given() {
    let tokend = Tokend::start(Options::default()).await;
    let connector = Some(app_user_connector(""));
    let create = v1::CreateConnectorRequest { connector };
    let created = tokend
        .operator
        .admin()
        .create_connector(create)
        .await
        .unwrap()
        .into_inner();
    let id = created.connector.unwrap().connector_id;
    assert!(id.starts_with("ctr_"), "{id}");
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connectors_are_listed_page_by_page() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        let mut admin = tokend.operator.admin();
        for id in ["b", "a", "c"] {
            let create = v1::CreateConnectorRequest {
                connector: Some(app_user_connector(id)),
            };
            admin.create_connector(create).await.unwrap();
        }
        let (mut pages, mut page_token) = (Vec::new(), String::new());
        loop {
            let list = v1::ListConnectorsRequest {
                page_size: 2,
                page_token,
                ..Default::default()
            };
            let page = admin.list_connectors(list).await.unwrap().into_inner();
            assert!(
                page.connectors
                    .iter()
                    .all(|connector| connector.client_secret.is_empty())
            );
            pages.push(
                page.connectors
                    .into_iter()
                    .map(|row| row.connector_id)
                    .collect::<Vec<_>>(),
            );
            if page.next_page_token.is_empty() {
                break;
            }
            page_token = page.next_page_token;
        }
        assert_eq!(
            pages,
            [vec!["a", "b"], vec!["c", "simshared"], vec!["users"]],
            "{database:?}"
        );

        let shared = v1::ListConnectorsRequest {
            kind: v1::ConnectorKind::Shared.into(),
            ..Default::default()
        };
        let listed = admin
            .list_connectors(shared)
            .await
            .unwrap()
            .into_inner()
            .connectors;
        assert_eq!(listed.len(), 1);
        for (page_size, page_token, field) in [(-1, "", "page_size"), (0, "?", "page_token")] {
            let page_token = page_token.to_owned();
            let list = v1::ListConnectorsRequest {
                page_size,
                page_token,
                ..Default::default()
            };
            let answer = admin.list_connectors(list).await;
            let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
            assert_eq!(violations(&status), [field]);
        }
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_sets_the_fields_of_its_mask_and_keeps_the_secret() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend.connect_shared().await;
        let before = read(&tokend, "simshared").await;
        let wanted = v1::Connector {
            connector_id: "simshared".to_owned(),
            display_name: "Calendars".to_owned(),
            scopes: vec!["events.read".to_owned(), "events.write".to_owned()],
            client_id: "not in the mask".to_owned(),
            client_secret: "not in the mask".to_owned(),
            etag: before.etag.clone(),
            ..Default::default()
        };
        let updated = update(&tokend, wanted.clone(), &["display_name", "scopes"])
            .await
            .unwrap();
        assert_eq!(updated.connections_needing_consent, 1);
        let after = updated.connector.unwrap();
        assert_eq!(
            (&after.display_name, &after.scopes),
            (&wanted.display_name, &wanted.scopes)
        );
        assert_eq!(
            (&after.client_id, after.client_secret_set),
            (&before.client_id, true)
        );
        assert_ne!(after.etag, before.etag, "{database:?}");
        // The client still is who it was: renewing works.
        let renewed = tokend
            .get_with(crate::answers::instead_of(1))
            .await
            .unwrap();
        assert_eq!(renewed.missing_scopes, ["events.write"]);

        let public = v1::Connector {
            connector_id: "simshared".to_owned(),
            ..Default::default()
        };
        let cleared = update(&tokend, public, &["client_secret"]).await.unwrap();
        let after = cleared.connector.unwrap();
        assert!(!after.client_secret_set);

        let stale = update(&tokend, wanted.clone(), &["display_name"]).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        let fixed = v1::Connector {
            etag: String::new(),
            ..wanted.clone()
        };
        for path in ["kind", "integration_type", "nonsense"] {
            let status = update(&tokend, fixed.clone(), &[path]).await;
            let status = refused(status, Code::InvalidArgument, "INVALID_FIELD");
            assert_eq!(violations(&status), ["update_mask"]);
        }
        assert_eq!(read(&tokend, "simshared").await, after);
        let unknown = v1::Connector {
            connector_id: "nobody".to_owned(),
            ..fixed
        };
        refused(
            update(&tokend, unknown, &[]).await,
            Code::NotFound,
            "CONNECTOR_NOT_FOUND",
        );
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_in_use_is_deleted_by_force_only_and_its_grants_with_it() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend.connect_user("ada").await;
        tokend.connect_user("grace").await;
        tokend.get_for(&tokend.user_token("ada")).await.unwrap();
        let delete = |force: bool, etag: &str| {
            let connector_id = "users".to_owned();
            let etag = etag.to_owned();
            let mut admin = tokend.operator.admin();
            let delete = v1::DeleteConnectorRequest {
                connector_id,
                etag,
                force,
            };
            async move { admin.delete_connector(delete).await }
        };
        let status = refused(
            delete(false, "").await,
            Code::FailedPrecondition,
            "CONNECTOR_IN_USE",
        );
        assert_eq!(metadata(&status, "connectionCount"), "2");
        refused(delete(true, "0").await, Code::Aborted, "ETAG_MISMATCH");
        assert_eq!(tokend.simulator.ledger().live_grants().len(), 2);

        let deleted = delete(true, "").await.unwrap().into_inner();
        assert_eq!(deleted.deleted_connections, 2, "{database:?}");
        assert_eq!(tokend.simulator.ledger().live_grants().len(), 0);
        let answer = tokend.get_for(&tokend.user_token("ada")).await;
        refused(answer, Code::NotFound, "CONNECTOR_NOT_FOUND");
        refused(
            delete(true, "").await,
            Code::NotFound,
            "CONNECTOR_NOT_FOUND",
        );
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_connector_vends_nothing_until_it_is_enabled() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        let connection = tokend.connect_shared().await;
        tokend.get().await.unwrap();
        switch(&tokend, true).await;
        let status = refused(
            tokend.get().await,
            Code::FailedPrecondition,
            "CONNECTOR_DISABLED",
        );
        assert_eq!(metadata(&status, "connectorId"), "simshared");
        let start = v1::StartAuthorizationRequest {
            integration_type: "simshared".to_owned(),
            ..Default::default()
        };
        let answer = tokend.operator.admin().start_authorization(start).await;
        refused(answer, Code::FailedPrecondition, "CONNECTOR_DISABLED");
        // Not by way of a renewal either.
        let refresh = v1::RefreshConnectionRequest {
            connection_id: connection.connection_id,
            ..Default::default()
        };
        let answer = tokend.operator.admin().refresh_connection(refresh).await;
        refused(answer, Code::FailedPrecondition, "CONNECTOR_DISABLED");
        let answer = tokend.get().await;
        refused(answer, Code::FailedPrecondition, "CONNECTOR_DISABLED");

        switch(&tokend, false).await;
        assert_eq!(tokend.get().await.unwrap().generation, 1, "{database:?}");
        tokend.stop().await;
    }
}

/// A connector for app users of the simulator's type, with a secret made up now.
pub(crate) fn app_user_connector(id: &str) -> v1::Connector {
    v1::Connector {
        connector_id: id.to_owned(),
        integration_type: "simshared".to_owned(),
        kind: v1::ConnectorKind::AppUser.into(),
        client_id: format!("client-of-{id}"),
        client_secret: Uuid::new_v4().to_string(),
        scopes: vec!["events.read".to_owned()],
        ..Default::default()
    }
}

/// A connector as it is stored.
pub(crate) async fn read(tokend: &Tokend, id: &str) -> v1::Connector {
    let get = v1::GetConnectorRequest {
        connector_id: id.to_owned(),
    };
    let answer = tokend
        .operator
        .admin()
        .get_connector(get)
        .await
        .unwrap()
        .into_inner();
    answer.connector.unwrap()
}

async fn update(
    tokend: &Tokend,
    connector: v1::Connector,
    paths: &[&str],
) -> Result<v1::UpdateConnectorResponse, tonic::Status> {
    let paths = paths.iter().map(|&path| path.to_owned()).collect();
    let update = v1::UpdateConnectorRequest {
        connector: Some(connector),
        update_mask: Some(prost_types::FieldMask { paths }),
    };
    Ok(tokend
        .operator
        .admin()
        .update_connector(update)
        .await?
        .into_inner())
}

async fn switch(tokend: &Tokend, disabled: bool) {
    let connector_id = "simshared".to_owned();
    let connector = v1::Connector {
        connector_id,
        disabled,
        ..Default::default()
    };
    update(tokend, connector, &["disabled"]).await.unwrap();
}
