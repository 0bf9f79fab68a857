//! ApplyConnectors: a whole set with a plan, all or nothing.

use tokend_api::v1::{self, PlannedAction};
use tokend_tests::{Options, Tokend, databases};
use tonic::{Code, Status};

use crate::{
    answers::{refused, violations},
    connectors::{app_user_connector, read},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_changes_and_a_dry_run_changes_nothing() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend.connect_shared().await;
        let before = connectors(&tokend).await;
        let shared = v1::Connector {
            scopes: vec!["events.read".to_owned(), "events.write".to_owned()],
            ..read(&tokend, "simshared").await
        };
        let wanted = v1::ApplyConnectorsRequest {
            connectors: vec![
                app_user_connector("new"),
                shared,
                read(&tokend, "users").await,
            ],
            ..Default::default()
        };

        let dry = v1::ApplyConnectorsRequest {
            dry_run: true,
            ..wanted.clone()
        };
        let planned = apply(&tokend, dry).await.unwrap();
        assert!(!planned.applied);
        assert_eq!(connectors(&tokend).await, before, "{database:?}");
        let done = apply(&tokend, wanted.clone()).await.unwrap();
        assert!(done.applied);
        for plan in [&planned, &done] {
            let expected = [
                ("new", PlannedAction::Create),
                ("simshared", PlannedAction::Update),
                ("users", PlannedAction::Unchanged),
            ];
            assert_eq!(told(plan), expected);
            assert_eq!(plan.changes[1].changed_fields, ["scopes"]);
            let consents = plan
                .changes
                .iter()
                .map(|change| change.connections_needing_consent);
            assert_eq!(consents.collect::<Vec<_>>(), [0, 1, 0]);
            let secrets = plan
                .changes
                .iter()
                .filter_map(|change| change.connector.as_ref());
            assert!(
                secrets
                    .into_iter()
                    .all(|connector| connector.client_secret.is_empty())
            );
        }
        assert_eq!(read(&tokend, "simshared").await.scopes.len(), 2);
        let again = apply(&tokend, wanted).await.unwrap();
        assert!(
            again
                .changes
                .iter()
                .all(|change| change.action() == PlannedAction::Unchanged)
        );
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_removes_what_is_not_described_unless_somebody_is_connected() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        tokend.connect_shared().await;
        let keep = |id: &'static str| {
            let tokend = &tokend;
            async move {
                let connectors = vec![read(tokend, id).await];
                v1::ApplyConnectorsRequest {
                    connectors,
                    prune: true,
                    ..Default::default()
                }
            }
        };
        let status = apply(&tokend, keep("users").await).await;
        refused(status, Code::FailedPrecondition, "CONNECTOR_IN_USE");
        assert_eq!(connectors(&tokend).await.len(), 2, "{database:?}");

        let done = apply(&tokend, keep("simshared").await).await.unwrap();
        let expected = [
            ("simshared", PlannedAction::Unchanged),
            ("users", PlannedAction::Delete),
        ];
        assert_eq!(told(&done), expected);
        assert_eq!(connectors(&tokend).await.len(), 1);
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_connector_leaves_nothing_half_written() {
    for database in databases() {
        let tokend = Tokend::start(Options {
            database,
            ..Options::default()
        })
        .await;
        let before = connectors(&tokend).await;
        let good = || app_user_connector("good");
        let bad = |change: fn(&mut v1::Connector)| {
            let mut connector = app_user_connector("bad");
            change(&mut connector);
            connector
        };
        for (connector, field) in [
            (bad(|bad| bad.client_id.clear()), "client_id"),
            (bad(|bad| bad.kind = 0), "kind"),
            (
                bad(|bad| bad.connector_id = "Not An Id".to_owned()),
                "connector_id",
            ),
            (bad(|bad| bad.integration_type.clear()), "integration_type"),
            (bad(|bad| bad.scopes.push("two words".to_owned())), "scopes"),
            (
                bad(|bad| bad.return_urls.push("ftp://app.example".to_owned())),
                "return_urls",
            ),
            (good(), "connector_id"),
        ] {
            let request = v1::ApplyConnectorsRequest {
                connectors: vec![good(), connector],
                integration_types: vec![own_type(&tokend, "leftover")],
                ..Default::default()
            };
            let status = apply(&tokend, request).await;
            let status = refused(status, Code::InvalidArgument, "INVALID_FIELD");
            assert_eq!(violations(&status), [format!("connectors[1].{field}")]);
            assert_eq!(connectors(&tokend).await, before, "{database:?} {field}");
            let get = v1::GetIntegrationTypeRequest {
                integration_type: "leftover".to_owned(),
            };
            let answer = tokend.operator.admin().get_integration_type(get).await;
            refused(answer, Code::NotFound, "INTEGRATION_TYPE_UNKNOWN");
        }
        let unknown = v1::Connector {
            integration_type: "simsharedd".to_owned(),
            ..app_user_connector("bad")
        };
        let connectors_wanted = vec![good(), unknown];
        let request = v1::ApplyConnectorsRequest {
            connectors: connectors_wanted,
            ..Default::default()
        };
        let status = refused(
            apply(&tokend, request).await,
            Code::NotFound,
            "INTEGRATION_TYPE_UNKNOWN",
        );
        assert!(
            status.message().contains("did you mean 'simshared'?"),
            "{status:?}"
        );
        assert_eq!(connectors(&tokend).await, before);
        tokend.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_in_a_set_is_told_at_once() {
    let tokend = Tokend::start(Options::default()).await;
    let mut several = app_user_connector("several");
    several.client_id.clear();
    several.scopes = vec!["two words".to_owned(), "fine".to_owned()];
    several
        .connection_config
        .insert("unheard_of".to_owned(), "x".to_owned());
    let mut unknown = app_user_connector("unknown");
    unknown.integration_type = "simsharedd".to_owned();
    let mut unreadable = app_user_connector("unreadable");
    unreadable.kind = 0;
    let mut of_broken = app_user_connector("of-broken");
    of_broken.integration_type = "broken".to_owned();
    of_broken.return_urls = vec!["ftp://app.example".to_owned()];
    let broken = |name: &str| v1::IntegrationTypeDefinition {
        integration_type: name.to_owned(),
        toml: "[about]\nlisted = 7\n".to_owned(),
    };
    let request = v1::ApplyConnectorsRequest {
        connectors: vec![
            several,
            app_user_connector("good"),
            unknown,
            unreadable,
            of_broken,
        ],
        integration_types: vec![
            broken("broken"),
            own_type(&tokend, "ours"),
            broken("Not A Name"),
        ],
        ..Default::default()
    };
    let status = refused(
        apply(&tokend, request).await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    let mut told = violations(&status);
    told.sort();
    assert_eq!(
        told,
        [
            "connectors[0].client_id",
            "connectors[0].connection_config.unheard_of",
            "connectors[0].scopes",
            "connectors[2].integration_type",
            "connectors[3].kind",
            "connectors[4].return_urls",
            "integration_types[0].toml",
            "integration_types[2].integration_type",
        ]
    );
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_definition_of_one_s_own_type_is_answered_as_it_was_applied() {
    let tokend = Tokend::start(Options::default()).await;
    let ours = own_type(&tokend, "ours");
    let request = v1::ApplyConnectorsRequest {
        integration_types: vec![ours.clone()],
        ..Default::default()
    };
    apply(&tokend, request).await.unwrap();
    for (name, toml) in [("ours", ours.toml.as_str()), ("github", "")] {
        let get = v1::GetIntegrationTypeRequest {
            integration_type: name.to_owned(),
        };
        let answer = tokend.operator.admin().get_integration_type(get).await;
        assert_eq!(answer.unwrap().into_inner().definition_toml, toml);
    }
    tokend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_can_plan_connectors_of_a_type_that_comes_with_them() {
    let tokend = Tokend::start(Options::default()).await;
    let connector = v1::Connector {
        integration_type: "ours".to_owned(),
        ..app_user_connector("new")
    };
    let wanted = v1::ApplyConnectorsRequest {
        connectors: vec![connector],
        integration_types: vec![own_type(&tokend, "ours")],
        dry_run: true,
        ..Default::default()
    };
    let planned = apply(&tokend, wanted.clone()).await.unwrap();
    assert_eq!(told(&planned), [("new", PlannedAction::Create)]);
    let get = v1::GetIntegrationTypeRequest {
        integration_type: "ours".to_owned(),
    };
    let answer = tokend.operator.admin().get_integration_type(get).await;
    refused(answer, Code::NotFound, "INTEGRATION_TYPE_UNKNOWN");

    let done = v1::ApplyConnectorsRequest {
        dry_run: false,
        ..wanted
    };
    assert!(apply(&tokend, done).await.unwrap().applied);
    assert_eq!(read(&tokend, "new").await.integration_type, "ours");
    tokend.stop().await;
}

/// The simulator's definition under another name.
pub(crate) fn own_type(tokend: &Tokend, name: &str) -> v1::IntegrationTypeDefinition {
    let definitions = tokend.connectors().integration_types;
    let toml = definitions.into_iter().next().unwrap().toml;
    v1::IntegrationTypeDefinition {
        integration_type: name.to_owned(),
        toml,
    }
}

/// Sends it as the operator.
pub(crate) async fn apply(
    tokend: &Tokend,
    request: v1::ApplyConnectorsRequest,
) -> Result<v1::ApplyConnectorsResponse, Status> {
    Ok(tokend
        .operator
        .admin()
        .apply_connectors(request)
        .await?
        .into_inner())
}

async fn connectors(tokend: &Tokend) -> Vec<v1::Connector> {
    let list = v1::ListConnectorsRequest::default();
    tokend
        .operator
        .admin()
        .list_connectors(list)
        .await
        .unwrap()
        .into_inner()
        .connectors
}

fn told(plan: &v1::ApplyConnectorsResponse) -> Vec<(&str, PlannedAction)> {
    let id = |change: &'_ v1::PlannedChange| change.action();
    plan.changes
        .iter()
        .map(|change| {
            (
                change.connector.as_ref().unwrap().connector_id.as_str(),
                id(change),
            )
        })
        .collect()
}
